//! `events`: what was written down of writes, as one account may see it.

use std::net::IpAddr;

use serde::Serialize;

use super::rfc3339;
use crate::audit::{Edit, Entry, Origin};
use crate::change::Object;
use crate::ids::Revision;
use crate::world::World;

#[derive(Debug, Serialize)]
pub struct Many {
    pub events: ManyInner,
}

#[derive(Debug, Serialize)]
pub struct ManyInner {
    pub event: Vec<View>,
}

#[derive(Debug, Serialize)]
pub struct View {
    pub revision: Revision,
    /// RFC 3339, UTC, to the millisecond.
    pub at: String,
    pub who: String,
    pub from: Option<IpAddr>,
    pub cause: String,
    pub changes: Vec<ChangeView>,
}

#[derive(Debug, Serialize)]
pub struct ChangeView {
    pub kind: &'static str,
    /// UUID or name.
    pub id: String,
    pub change: &'static str,
    /// As it is remembered, blank of secrets; not shown of what is another
    /// account's.
    pub before: Option<Object>,
    pub after: Option<Object>,
}

/// Who looks.
#[derive(Debug, Clone, Copy)]
pub struct Viewer<'a> {
    pub account: &'a str,
    /// Sees that there were writes of others, and what was done to hosts.
    pub admin: bool,
}

/// What does not concern an account, and who is not of it.
const ANOTHER: &str = "another account";

impl Viewer<'_> {
    /// None when nothing of it is the viewer's to see.
    pub fn view(self, world: &World, entry: Entry) -> Option<View> {
        let Entry { revision, at_ms, record } = entry;
        let changes: Vec<ChangeView> =
            record.edits.into_iter().filter_map(|edit| self.change(edit)).collect();
        let origin = self.origin(world, record.origin);
        let Origin { who, from, cause } = origin;
        let seen = !changes.is_empty();
        seen.then(|| View { revision, at: calendar_ms(at_ms), who, from, cause, changes })
    }

    fn change(self, edit: Edit) -> Option<ChangeView> {
        let own = edit.account().map(|owner| owner == self.account);
        let (kind, id) = edit.key.columns();
        let change = match (&edit.before, edit.stays) {
            (_, false) => "deleted",
            (None, true) => "created",
            (Some(_), true) => "changed",
        };
        let Edit { before, after, .. } = edit;
        // Bookkeeping has no body.
        if before.is_none() && after.is_none() {
            return None;
        }
        match own {
            Some(true) => Some(ChangeView { kind, id, change, before, after }),
            None if self.admin => Some(ChangeView { kind, id, change, before, after }),
            Some(false) if self.admin => {
                Some(ChangeView { kind, id, change, before: None, after: None })
            }
            Some(false) | None => None,
        }
    }

    /// Of others an account learns neither name nor address.
    fn origin(self, world: &World, origin: Origin) -> Origin {
        let sub = |name: &str| world.credentials().sub(name).map(|it| it.main.as_str());
        let is_user = world.accounts.contains_key(&origin.who) || sub(&origin.who).is_some();
        let own = origin.who == self.account || sub(&origin.who) == Some(self.account);
        if self.admin || own || !is_user {
            return origin;
        }
        Origin { who: ANOTHER.to_owned(), from: None, cause: origin.cause }
    }
}

/// Milliseconds since 1970.
fn calendar_ms(at_ms: i64) -> String {
    let text = rfc3339(at_ms.div_euclid(1000));
    format!("{}.{:03}Z", text.trim_end_matches('Z'), at_ms.rem_euclid(1000))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::audit::record;
    use crate::change::{Change, Key};
    use crate::objects::Zone;
    use crate::play::{Play, create_network, network_id, router_id};

    fn entry(world: &World, who: &str, changes: &[Change]) -> Entry {
        let origin = Origin {
            who: who.to_owned(),
            from: Some([192, 0, 2, 1].into()),
            cause: "a test".to_owned(),
        };
        Entry { revision: 7, at_ms: 1_500, record: record(world, &origin, changes) }
    }

    fn delete_routers(world: &World, who: &str) -> Entry {
        let gone = |n| Change::Delete(Key::Router(router_id(n)));
        let zone = Zone { id: "x-1".to_owned(), description: String::new() };
        entry(world, who, &[gone(0), gone(1), Change::Put(Object::Zone(zone))])
    }

    #[test]
    fn an_account_sees_its_own_and_an_administrator_that_there_was_more() {
        let world = Play::new().world;
        let seen = |account, admin| {
            let view = Viewer { account, admin }.view(&world, delete_routers(&world, "a")).unwrap();
            let changes = view.changes.into_iter();
            changes.map(|it| (it.kind, it.change, it.before.is_some())).collect::<Vec<_>>()
        };
        assert_eq!(seen("b", false), [("router", "deleted", true)]);
        assert_eq!(
            seen("a", true),
            [("router", "deleted", true), ("router", "deleted", false), ("zone", "created", false)]
        );
        let nobody = Viewer { account: "c", admin: false };
        assert!(nobody.view(&world, delete_routers(&world, "a")).is_none());
    }

    #[test]
    fn of_another_account_neither_name_nor_address_is_told() {
        let world = Play::new().world;
        let seen = |account, who: &str| {
            let viewer = Viewer { account, admin: false };
            let view = viewer.view(&world, delete_routers(&world, who)).unwrap();
            (view.who, view.from.is_some(), view.at)
        };
        let at = || "1970-01-01T00:00:01.500Z".to_owned();
        assert_eq!(seen("b", "b"), ("b".to_owned(), true, at()));
        assert_eq!(seen("b", "a"), (ANOTHER.to_owned(), false, at()));
        assert_eq!(seen("b", "kannas"), ("kannas".to_owned(), true, at()));
    }

    #[test]
    fn what_only_counts_is_shown_to_nobody() {
        let mut play = Play::new();
        let before = play.world.clone();
        let changes = play.op(&create_network(0, &["10.0.0.0/24"], None)).unwrap();
        let entry = entry(&before, "a", &changes);
        assert!(entry.record.edits.iter().any(|it| it.key == Key::NextVni));
        let view = Viewer { account: "a", admin: true }.view(&before, entry).unwrap();
        let shown: Vec<(&str, Uuid)> =
            view.changes.iter().map(|it| (it.kind, it.id.parse().unwrap())).collect();
        assert_eq!(shown, [("network", network_id(0))]);
    }
}
