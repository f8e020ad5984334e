//! `/1.3/account` (contract section 5.4), and the accounts of `/kannas/v1`.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Fields, yes_no};
use crate::error::{Rule, Subject};
use crate::objects::Account;
use crate::policy::Limits;

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
        if !(8..=1024).contains(&it.password.len()) {
            return Err(fields.bad(Subject::Request, "password", "must be 8 to 1024 bytes"));
        }
        fields.finish()?;
        Ok(it)
    }
}

/// `GET /1.3/account`. The limits are integers, as the Go SDK demands; those
/// of things that Kannas has not are of UpCloud's own sample.
pub fn view(account: &Account, limits: &Limits) -> Value {
    json!({"account": {
        "username": account.name,
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
    json!({"account": {
        "username": account.name, "main_account": account.name, "type": "main",
        "first_name": "", "last_name": "", "company": "", "address": "", "postal_code": "",
        "city": "", "state": "", "country": "", "phone": "", "email": "", "vat_number": "",
        "language": "en", "timezone": "UTC", "currency": "EUR",
        "enable_3rd_party_services": "no", "simple_backup": "no",
        "allow_api": "yes", "allow_gui": "no",
        "roles": {"role": roles()}, "campaigns": {"campaign": []}, "ip_filters": {"ip_filter": []},
        "network_access": {"network": ["*"]}, "server_access": {"server": []},
        "storage_access": {"storage": []}, "tag_access": {"tag": []}
    }})
}

/// `GET /1.3/account/list`, of one.
pub fn list(account: &Account) -> Value {
    json!({"accounts": {"account": [
        {"type": "main", "username": account.name, "roles": {"role": roles()}}
    ]}})
}

fn roles() -> Value {
    json!(["technical"])
}

#[derive(Serialize)]
pub struct AccountView<'w> {
    username: &'w str,
    admin: &'static str,
}

impl<'w> AccountView<'w> {
    pub fn new(it: &'w Account) -> Self {
        Self { username: &it.name, admin: yes_no(it.admin) }
    }
}
