//! What has a secret in it says less of itself: what is printed may be logged.

use std::fmt::{Debug, Formatter, Result};

use crate::access::{Hash, Modify};
use crate::credentials::SubAccount;
use crate::objects::Account;
use crate::webhook::Wish;
use crate::wire::agent::Join;

impl Debug for Account {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { name, admin, quota, .. } = self;
        let mut it = f.debug_struct("Account");
        it.field("name", name).field("admin", admin).field("quota", quota).finish_non_exhaustive()
    }
}

impl Debug for SubAccount {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut it = f.debug_struct("SubAccount");
        it.field("name", &self.name).field("main", &self.main).finish_non_exhaustive()
    }
}

impl Debug for Modify {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut it = f.debug_struct("Modify");
        it.field("roles", &self.roles).field("contact", &self.contact).finish_non_exhaustive()
    }
}

impl Debug for Hash {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("Hash")
    }
}

impl Debug for Wish {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Set { url, .. } => {
                f.debug_struct("Set").field("url", url).finish_non_exhaustive()
            }
            Self::Delete => f.write_str("Delete"),
        }
    }
}

impl Debug for Join {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { name, zone, underlay, .. } = self;
        let mut it = f.debug_struct("Join");
        it.field("name", name)
            .field("zone", zone)
            .field("underlay", underlay)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::{Authority, Webhook};
    use crate::play::account;

    const SECRET: &str = "nobody reads this";

    #[test]
    fn what_has_a_secret_does_not_print_it() {
        let secret = || SECRET.to_owned();
        let account = Account { password: secret(), ..account("a", true) };
        let body = br#"{"sub_account":{"username":"s","password":"p","allow_api":"yes"}}"#;
        let (sub, _) = SubAccount::of_body(body, "m").unwrap();
        let sub = SubAccount { password: secret(), ..sub };
        let authority = Authority { certificate_pem: String::new(), key_pem: secret() };
        let webhook =
            Webhook { account: "a".to_owned(), url: "https://b".to_owned(), secret: secret() };
        let join = Join {
            secret: secret(),
            name: "h".to_owned(),
            zone: "z".to_owned(),
            underlay: [192, 0, 2, 1].into(),
            request_pem: String::new(),
        };
        let modify = Modify { password: Some(secret()), ..Modify::default() };
        let wish = Wish::Set { url: "https://b".to_owned(), secret: secret() };
        let all: [&dyn Debug; 8] =
            [&account, &sub, &authority, &webhook, &join, &modify, &wish, &Hash(secret())];
        for it in all {
            let said = format!("{it:?} {it:#?}");
            assert!(!said.contains(SECRET), "{said}");
        }
    }
}
