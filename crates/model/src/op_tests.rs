use super::*;
use crate::objects::Zone;
use crate::play::{Play, account, allow_join, host_id};

#[test]
fn hosts_zones_and_accounts_are_for_administrators() {
    let op = |by: &str| -> Vec<Op> {
        let by = || by.to_owned();
        let zone = Zone { id: "home-1".to_owned(), description: "The cellar".to_owned() };
        let Op::AllowJoin { token, .. } = allow_join("x") else { panic!("that is what it makes") };
        vec![
            Op::AllowJoin { by: by(), token },
            Op::DeleteHost { by: by(), id: host_id(0).to_string() },
            Op::CreateAccount { by: by(), account: account("c", true) },
            Op::CreateZone { by: by(), zone },
            Op::DeleteZone { by: by(), id: "home-1".to_owned(), now: 0 },
        ]
    };
    for by in ["b", "nobody", ""] {
        for op in op(by) {
            let refused = Err(Rule::AdminOnly(by.to_owned()));
            assert_eq!(decide(&Play::new().world, &op), refused, "{op:?}");
        }
    }
    let mut play = Play::new();
    play.all(op("a"));
}

#[test]
fn an_installation_is_founded_once() {
    let found = |name: &str, key: &str| Op::Found {
        admin: account(name, true),
        authority: Authority { certificate_pem: "c".to_owned(), key_pem: key.to_owned() },
    };
    let mut world = World::default();
    world.commit(&decide(&world, &found("root", "1")).unwrap());
    assert_eq!(world.authority().unwrap().key_pem, "1");
    assert!(world.accounts["root"].admin);
    assert_eq!(decide(&world, &found("other", "2")), Ok(vec![]), "and then nothing changes");
}
