//! `/1.3/account/sub` and `/1.3/permission`, as they were recorded of UpCloud
//! (contract section 5.4).

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde_json::{Value, json};

use super::{Fields, yes_no};
use crate::access::{Modify, Permission, TargetKind};
use crate::credentials::{Reach, SubAccount, Target};
use crate::error::{Rule, Subject};

/// Attributes that are shown as they were given and do nothing here, with what
/// is shown when they were not.
pub(super) const CONTACT: [(&str, &str); 15] = [
    ("address", ""),
    ("city", ""),
    ("company", ""),
    ("country", ""),
    ("currency", "EUR"),
    ("email", ""),
    ("enable_3rd_party_services", "no"),
    ("first_name", ""),
    ("language", "en"),
    ("last_name", ""),
    ("phone", ""),
    ("postal_code", ""),
    ("state", ""),
    ("timezone", "UTC"),
    ("vat_number", ""),
];

/// Entries of each list of a sub-account.
const MAX_ENTRIES: usize = 1000;

impl SubAccount {
    /// The sub-account of `main` that a body wishes for, without password, and
    /// that password in clear.
    ///
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8], main: &str) -> Result<(Self, String), Rule> {
        let mut fields = Fields::of_body(body, "sub_account")?;
        let name = fields.required("username", Subject::Name)?;
        let password = fields.required("password", Subject::Request)?;
        let wish = modify(&mut fields)?;
        fields.finish()?;
        let it = Self {
            name,
            main: main.to_owned(),
            password: String::new(),
            allow_api: wish.allow_api.unwrap_or(true),
            allow_gui: wish.allow_gui.unwrap_or(false),
            ip_filters: wish.ip_filters.unwrap_or_default(),
            networks: wish.networks.unwrap_or_default(),
            servers: wish.servers.unwrap_or_default(),
            storages: wish.storages.unwrap_or_default(),
            tags: wish.tags.unwrap_or_default(),
            roles: wish.roles.unwrap_or_default(),
            contact: wish.contact,
        };
        Ok((it, password))
    }
}

impl Modify {
    /// What a body wishes, without password, and the password in clear.
    ///
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8]) -> Result<(Self, Option<String>), Rule> {
        let mut fields = Fields::of_body(body, "account")?;
        let password = fields.string("password", Subject::Request)?;
        let it = modify(&mut fields)?;
        fields.finish()?;
        Ok((it, password))
    }
}

fn modify(fields: &mut Fields) -> Result<Modify, Rule> {
    let reach = |entries: Vec<Fields>| entries.into_iter().map(server).collect();
    let named = |entries: Vec<Fields>| entries.into_iter().map(tag).collect();
    Ok(Modify {
        password: None,
        allow_api: fields.yes_no("allow_api")?,
        allow_gui: fields.yes_no("allow_gui")?,
        ip_filters: strings(fields, "ip_filters", "ip_filter")?,
        networks: strings(fields, "network_access", "network")?,
        servers: objects(fields, "server_access", "server")?.map(reach).transpose()?,
        storages: strings(fields, "storage_access", "storage")?,
        tags: objects(fields, "tag_access", "tag")?.map(named).transpose()?,
        roles: strings(fields, "roles", "role")?,
        contact: contact(fields)?,
    })
}

fn contact(fields: &mut Fields) -> Result<BTreeMap<String, String>, Rule> {
    let mut contact = BTreeMap::new();
    for (key, _) in CONTACT {
        let Some(text) = fields.string(key, Subject::Request)? else { continue };
        if text.chars().count() > 255 {
            return Err(fields.bad(Subject::Request, key, "must be at most 255 characters"));
        }
        contact.insert(key.to_owned(), text);
    }
    Ok(contact)
}

/// `{outer: {inner: [...]}}`; null inside is an empty list, as the Go SDK
/// sends it.
fn strings<T>(fields: &mut Fields, outer: &str, inner: &str) -> Result<Option<Vec<T>>, Rule>
where
    T: FromStr,
    T::Err: Display,
{
    let Some(mut list) = fields.object(outer, Subject::Request)? else { return Ok(None) };
    let given = list.has(inner);
    let entries = list.strings(inner, Subject::Request)?;
    finished(list, given.then(|| entries.unwrap_or_default()), inner)
}

fn objects(fields: &mut Fields, outer: &str, inner: &str) -> Result<Option<Vec<Fields>>, Rule> {
    let Some(mut list) = fields.object(outer, Subject::Request)? else { return Ok(None) };
    let entries = list.array_or_null(inner, Subject::Request)?;
    finished(list, entries, inner)
}

fn finished<T>(list: Fields, entries: Option<Vec<T>>, inner: &str) -> Result<Option<Vec<T>>, Rule> {
    if entries.as_ref().is_some_and(|all| all.len() > MAX_ENTRIES) {
        let why = format!("must have at most {MAX_ENTRIES} entries");
        return Err(list.bad(Subject::Request, inner, why));
    }
    list.finish()?;
    Ok(entries)
}

fn server(mut entry: Fields) -> Result<Reach<Target>, Rule> {
    let target = entry.parsed("uuid", Subject::Request)?;
    let target = target.ok_or_else(|| entry.bad(Subject::Request, "uuid", "is required"))?;
    let storage = entry.yes_no("storage")?.unwrap_or(false);
    entry.finish()?;
    Ok(Reach { target, storage })
}

fn tag(mut entry: Fields) -> Result<Reach<String>, Rule> {
    let target = entry.required("name", Subject::Request)?;
    let storage = entry.yes_no("storage")?.unwrap_or(false);
    entry.finish()?;
    Ok(Reach { target, storage })
}

/// `GET /1.3/account/details/{username}`.
pub fn details(it: &SubAccount) -> Value {
    let servers = it
        .servers
        .iter()
        .map(|r| json!({"uuid": r.target.to_string(), "storage": yes_no(r.storage)}));
    let tags = it.tags.iter().map(|r| json!({"name": r.target, "storage": yes_no(r.storage)}));
    let mut account = json!({
        "username": it.name, "main_account": it.main, "type": "sub", "simple_backup": "no",
        "allow_api": yes_no(it.allow_api), "allow_gui": yes_no(it.allow_gui),
        "roles": {"role": it.roles}, "campaigns": {"campaign": []},
        "ip_filters": {"ip_filter": texts(&it.ip_filters)},
        "network_access": {"network": texts(&it.networks)},
        "server_access": {"server": servers.collect::<Vec<_>>()},
        "storage_access": {"storage": it.storages},
        "tag_access": {"tag": tags.collect::<Vec<_>>()},
    });
    for (key, default) in CONTACT {
        account[key] = it.contact.get(key).map_or(default, String::as_str).into();
    }
    json!({ "account": account })
}

fn texts(all: &[impl Display]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

impl Permission {
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8]) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, "permission")?;
        let kind = fields.required("target_type", Subject::Request)?;
        let kind = match kind.as_str() {
            "network" => TargetKind::Network,
            "server" => TargetKind::Server,
            _ => {
                let why = "must be \"network\" or \"server\"";
                return Err(fields.bad(Subject::Request, "target_type", why));
            }
        };
        let target = fields.parsed("target_identifier", Subject::Request)?;
        let missing = || fields.bad(Subject::Request, "target_identifier", "is required");
        let target = target.ok_or_else(missing)?;
        let user = fields.required("user", Subject::Request)?;
        let mut storage = false;
        if let Some(mut options) = fields.object("options", Subject::Request)? {
            storage = options.yes_no("storage")?.unwrap_or(false);
            options.finish()?;
        }
        fields.finish()?;
        Ok(Self { user, kind, target, storage })
    }

    pub fn view(&self) -> Value {
        let (user, target) = (&self.user, self.target.to_string());
        match self.kind {
            TargetKind::Network => {
                json!({"user": user, "target_type": "network", "target_identifier": target})
            }
            TargetKind::Server => json!({
                "user": user, "target_type": "server", "target_identifier": target,
                "options": {"storage": yes_no(self.storage)}
            }),
        }
    }

    /// All that a sub-account was given.
    pub fn all_of(it: &SubAccount) -> impl Iterator<Item = Self> {
        let of = |kind, target, storage| Self { user: it.name.clone(), kind, target, storage };
        let networks = it.networks.iter().map(move |t| of(TargetKind::Network, *t, false));
        let servers = it.servers.iter().map(move |r| of(TargetKind::Server, r.target, r.storage));
        networks.chain(servers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_go_sdk_sends_for_nothing_is_nothing() {
        let body = br#"{"sub_account":{"username":"s","password":"p","allow_api":"yes",
            "tag_access":{"tag":null},"roles":{"role":null},"server_access":{"server":null},
            "storage_access":{"storage":null},"network_access":{"network":null},
            "ip_filters":{"ip_filter":null}}}"#;
        let (it, password) = SubAccount::of_body(body, "m").unwrap();
        assert_eq!((it.name.as_str(), it.main.as_str(), password.as_str()), ("s", "m", "p"));
        assert!(it.networks.is_empty() && it.servers.is_empty() && it.ip_filters.is_empty());
    }

    #[test]
    fn a_change_tells_what_is_left_alone_from_what_is_emptied() {
        let body = br#"{"account":{"city":"Oulu","network_access":{"network":[]},"roles":{}}}"#;
        let (it, password) = Modify::of_body(body).unwrap();
        assert_eq!(it.networks, Some(vec![]));
        assert_eq!((it.roles, it.servers, it.allow_api, password), (None, None, None, None));
        assert_eq!(it.contact, BTreeMap::from([("city".to_owned(), "Oulu".to_owned())]));
        for bad in [
            r#"{"account":{"network_access":{"network":["x"]}}}"#,
            r#"{"account":{"network_access":{"networks":[]}}}"#,
            r#"{"account":{"server_access":{"server":[{"storage":"yes"}]}}}"#,
            r#"{"account":{"ip_filters":{"ip_filter":["everywhere"]}}}"#,
            r#"{"account":{"main_account":"other"}}"#,
        ] {
            assert!(Modify::of_body(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
