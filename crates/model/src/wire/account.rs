//! `/1.3/account` (contract section 5.4), and the accounts of `/kannas/v1`.

use serde::Serialize;
use serde_json::{Value, json};

use super::sub_account::CONTACT;
use super::{Fields, yes_no};
use crate::account::check_password;
use crate::credentials::SubAccount;
use crate::error::{Rule, Subject};
use crate::objects::Account;
use crate::policy::{Limits, Quota};

/// A wish for an account, its password still in clear.
pub struct NewAccount {
    pub username: String,
    pub password: String,
    pub admin: bool,
}

impl NewAccount {
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8]) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, "account")?;
        let it = Self {
            username: fields.required("username", Subject::Name)?,
            password: fields.required("password", Subject::Request)?,
            admin: fields.yes_no("admin")?.unwrap_or(false),
        };
        check_password(&it.username, &it.password, "account.password")?;
        fields.finish()?;
        Ok(it)
    }
}

/// The password in clear that a body gives the user `name`.
///
/// # Errors
/// The first faulty attribute.
pub fn password_of_body(body: &[u8], name: &str) -> Result<String, Rule> {
    let mut fields = Fields::of_body(body, "account")?;
    let password = fields.required("password", Subject::Request)?;
    check_password(name, &password, "account.password")?;
    fields.finish()?;
    Ok(password)
}

/// What is not given is as for all.
///
/// # Errors
/// The first faulty attribute.
pub fn quota_of_body(body: &[u8]) -> Result<Quota, Rule> {
    let mut fields = Fields::of_body(body, "limits")?;
    let mut limit = |key: &str| fields.number::<u32>(key, Subject::Request);
    let it = Quota {
        networks: limit("networks")?,
        network_peerings: limit("network_peerings")?,
        routers: limit("routers")?,
        requests: limit("requests")?,
        burst: limit("burst")?,
    };
    if it.burst == Some(0) {
        return Err(fields.bad(Subject::Request, "burst", "must be 1 or more"));
    }
    fields.finish()?;
    Ok(it)
}

/// `GET /1.3/account`. The limits are integers, as the Go SDK demands; those
/// of things that Kannas has not are of UpCloud's own sample.
pub fn view(username: &str, limits: &Limits) -> Value {
    json!({"account": {
        "username": username,
        "credits": 0.0,
        "resource_limits": {
            "cores": 200, "detached_floating_ips": 10, "gpus": 8, "load_balancers": 50,
            "managed_object_storages": 7, "memory": 1_048_576, "network_peerings": limits.peerings,
            "networks": limits.networks, "ntp_excess_gib": 20_000, "public_ipv4": 100, "public_ipv6": 100,
            "routers": limits.routers, "storage_hdd": 10_240, "storage_maxiops": 10_240, "storage_ssd": 10_240
        }
    }})
}

/// `GET /1.3/account/details/{username}`: an account that may do all, in the
/// words of UpCloud's recorded answers.
pub fn details(account: &Account) -> Value {
    let mut it = json!({
        "username": account.name, "main_account": account.name, "type": "main",
        "simple_backup": "no", "allow_api": "yes", "allow_gui": "no",
        "roles": {"role": roles()}, "campaigns": {"campaign": []}, "ip_filters": {"ip_filter": []},
        "network_access": {"network": ["*"]}, "server_access": {"server": []},
        "storage_access": {"storage": []}, "tag_access": {"tag": []}
    });
    for (key, default) in CONTACT {
        it[key] = default.into();
    }
    json!({ "account": it })
}

/// `GET /1.3/account/list`: of an account and its sub-accounts.
pub fn list<'w>(account: &Account, subs: impl Iterator<Item = &'w SubAccount>) -> Value {
    let main = json!({"type": "main", "username": account.name, "roles": {"role": roles()}});
    let mut all = vec![main];
    all.extend(subs.map(list_entry));
    json!({"accounts": {"account": all}})
}

/// As a sub-account sees it: of itself alone.
pub fn list_of_sub(sub: &SubAccount) -> Value {
    json!({"accounts": {"account": [list_entry(sub)]}})
}

fn list_entry(sub: &SubAccount) -> Value {
    json!({"type": "sub", "username": sub.name, "roles": {"role": sub.roles}})
}

fn roles() -> Value {
    json!(["technical"])
}

#[derive(Serialize)]
pub struct AccountView<'w> {
    username: &'w str,
    admin: &'static str,
    /// Those that are not as for all.
    limits: Quota,
}

impl<'w> AccountView<'w> {
    pub fn new(it: &'w Account) -> Self {
        Self { username: &it.name, admin: yes_no(it.admin), limits: it.quota }
    }
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
