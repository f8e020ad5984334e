use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::objects::{Account, JoinToken, Webhook};
use crate::op::Op;
use crate::play::{Play, story_with_ports};
use crate::policy::Quota;

fn origin() -> Origin {
    Origin { who: "a".to_owned(), from: Some([192, 0, 2, 1].into()), cause: "a test".to_owned() }
}

/// What accounts own and hosts are told of, indexes included.
fn picture(world: &World) -> String {
    let World { networks, peerings, ports, routers, servers, hosts, zones, leases, .. } = world;
    let owned: Vec<_> = ["a", "b"].map(|name| world.owned(name)).into();
    let revision = world.revision();
    format!(
        "{revision} {networks:?} {peerings:?} {ports:?} {routers:?} {servers:?} {hosts:?} {zones:?} {leases:?} {owned:?}"
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn undoing_what_was_written_down_gives_every_world_there_was(steps in story_with_ports()) {
        let mut play = Play::new();
        let (mut worlds, mut entries) = (vec![play.world.clone()], Vec::new());
        for op in steps {
            let before = play.world.clone();
            let Ok(changes) = play.op(&op) else { continue };
            if changes.is_empty() {
                continue;
            }
            let written = serde_json::to_string(&record(&before, &origin(), &changes)).unwrap();
            let record: Record = serde_json::from_str(&written).unwrap();
            entries.push(Entry { revision: play.world.revision(), at_ms: 0, record });
            worlds.push(play.world.clone());
        }
        for (n, world) in worlds.iter().enumerate() {
            let later = entries.iter().skip(n).rev();
            prop_assert_eq!(picture(&play.world.rewound(world.revision(), later)), picture(world));
        }
    }
}

#[test]
fn no_secret_is_written_down() {
    let secret = "s3cret";
    let account = |password: &str| Account {
        name: "c".to_owned(),
        password: password.to_owned(),
        admin: false,
        quota: Quota::default(),
    };
    let webhook = Webhook {
        account: "a".to_owned(),
        url: "https://example.com/".to_owned(),
        secret: secret.to_owned(),
    };
    let mut world = Play::new().world;
    let first =
        [Change::Put(Object::Account(account(secret))), Change::Put(Object::Webhook(webhook))];
    let made = record(&world, &origin(), &first);
    world.commit(&first);
    let second = [
        Change::Put(Object::Account(account("0ther"))),
        Change::Delete(Key::Webhook("a".to_owned())),
    ];
    let changed = record(&world, &origin(), &second);
    for record in [&made, &changed] {
        let text = serde_json::to_string(record).unwrap();
        assert!(!text.contains(secret) && !text.contains("0ther"), "{text}");
    }
    assert_eq!(changed.edits[1].account(), Some("a"), "what is gone was somebody's");
}

#[test]
fn a_record_says_who_from_where_why_and_what_was_there() {
    let mut play = Play::new();
    let token =
        JoinToken { digest: "d".to_owned(), zone: "fi-hel1".to_owned(), expires: 9, host: None };
    let before = play.world.clone();
    let changes = play.op(&Op::AllowJoin { by: "a".to_owned(), token }).unwrap();
    assert_eq!(
        serde_json::to_value(record(&before, &origin(), &changes)).unwrap(),
        json!({
            "who": "a", "from": "192.0.2.1", "cause": "a test",
            "edits": [{
                "key": {"kind": "join-token", "id": "d"},
                "stays": true,
                "after": {"kind": "join-token", "digest": "d", "zone": "fi-hel1", "expires": 9},
            }],
        })
    );
    let gone = record(
        &play.world,
        &Origin::kannas("it was used"),
        &[Change::Delete(Key::JoinToken("d".to_owned()))],
    );
    assert_eq!(
        serde_json::to_value(gone).unwrap(),
        json!({
            "who": "kannas", "cause": "it was used",
            "edits": [{
                "key": {"kind": "join-token", "id": "d"},
                "stays": false,
                "before": {"kind": "join-token", "digest": "d", "zone": "fi-hel1", "expires": 9},
            }],
        })
    );
}
