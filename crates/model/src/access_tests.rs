use super::*;

const HOUR: i64 = 3600 * 1_000_000;

fn world() -> World {
    let account = |name: &str, admin| {
        Object::Account(Account {
            name: name.to_owned(),
            password: String::new(),
            admin,
            quota: Quota::default(),
        })
    };
    World::restore(1, [account("root", true), account("main", false), account("other", false)])
}

fn sub(name: &str, main: &str) -> SubAccount {
    SubAccount {
        name: name.to_owned(),
        main: main.to_owned(),
        password: String::new(),
        allow_api: true,
        allow_gui: false,
        ip_filters: vec![],
        networks: vec![],
        servers: vec![],
        storages: vec![],
        tags: vec![],
        roles: vec![],
        contact: BTreeMap::new(),
    }
}

fn token(n: u128, user: &str) -> Token {
    Token {
        id: Uuid::from_u128(n),
        user: user.to_owned(),
        name: "t".to_owned(),
        digest: n.to_string(),
        created: 0,
        expires: HOUR,
        last_used: None,
        can_create_tokens: false,
        allowed_ip_ranges: None,
    }
}

fn done(world: &mut World, by: &str, wish: Wish) -> Result<(), Rule> {
    let changes = decide(world, by, &wish)?;
    world.commit(&changes);
    Ok(())
}

#[test]
fn names_are_of_one_user_whichever_kind_it_is() {
    let mut world = world();
    let make = |name, main| Wish::CreateSub(Box::new(sub(name, main)));
    done(&mut world, "main", make("s", "main")).unwrap();
    for (by, name) in [("main", "s"), ("other", "s"), ("other", "main"), ("other", "other")] {
        let refused = done(&mut world, by, make(name, by));
        assert_eq!(refused, Err(Rule::Exists(Noun::Account, name.to_owned())));
    }
    let account = Account {
        name: "s".to_owned(),
        password: String::new(),
        admin: false,
        quota: Quota::default(),
    };
    assert!(account::create(&world, &account).is_err());
    assert!(done(&mut world, "other", make("t", "main")).is_err(), "of somebody else");
}

#[test]
fn a_token_lives_from_now_to_a_year_from_now() {
    let world = world();
    for (expires, want) in
        [(0, false), (-1, false), (1, true), (LONGEST_LIFE, true), (LONGEST_LIFE + 1, false)]
    {
        let it = Token { expires, ..token(1, "main") };
        let got = decide(&world, "main", &Wish::CreateToken(it));
        assert_eq!(got.is_ok(), want, "{expires}: {got:?}");
    }
    assert!(decide(&world, "main", &Wish::CreateToken(token(1, "other"))).is_err());
    assert!(decide(&world, "gone", &Wish::CreateToken(token(1, "gone"))).is_err());
}

#[test]
fn a_user_has_so_many_tokens_and_no_more() {
    let mut world = world();
    for n in 1..=MAX_TOKENS {
        done(&mut world, "main", Wish::CreateToken(token(n as u128, "main"))).unwrap();
    }
    let more = || Wish::CreateToken(token(0, "main"));
    assert_eq!(done(&mut world, "main", more()), Err(Rule::TokenLimit(MAX_TOKENS)));
    done(&mut world, "main", Wish::DeleteToken(Uuid::from_u128(7))).unwrap();
    assert_eq!(done(&mut world, "main", more()), Ok(()));
}

#[test]
fn when_a_token_was_used_goes_forward_only_and_brings_none_back() {
    let mut world = world();
    done(&mut world, "main", Wish::CreateToken(token(1, "main"))).unwrap();
    let used = |n: u128, at| Wish::TokensUsed(BTreeMap::from([(Uuid::from_u128(n), at)]));
    let last = |world: &World| world.credentials().token(Uuid::from_u128(1)).unwrap().last_used;
    done(&mut world, "", used(1, 5)).unwrap();
    done(&mut world, "", used(1, 4)).unwrap();
    assert_eq!(last(&world), Some(5));
    assert_eq!(decide(&world, "", &used(1, 5)), Ok(vec![]));
    assert_eq!(decide(&world, "", &used(2, 6)), Ok(vec![]));
    let it = world.credentials().token_of_digest("1").unwrap();
    assert_eq!(it.last_used, Some(5));
}

#[test]
fn what_goes_takes_its_tokens_along_and_nobody_elses() {
    let mut world = world();
    done(&mut world, "main", Wish::CreateSub(Box::new(sub("s", "main")))).unwrap();
    for (n, user) in [(1, "main"), (2, "s"), (3, "other"), (4, "s")] {
        done(&mut world, user, Wish::CreateToken(token(n, user))).unwrap();
    }
    let delete = || Wish::DeleteAccount("main".to_owned());
    let refused = done(&mut world, "root", delete());
    assert_eq!(refused, Err(Rule::AccountNotEmpty("main".to_owned())));
    assert!(done(&mut world, "other", Wish::DeleteSub("s".to_owned())).is_err());
    done(&mut world, "main", Wish::DeleteSub("s".to_owned())).unwrap();
    let left = |world: &World| -> Vec<u128> {
        (1..=4).filter(|n| world.credentials().token(Uuid::from_u128(*n)).is_some()).collect()
    };
    assert_eq!(left(&world), [1, 3]);
    assert!(done(&mut world, "other", delete()).is_err(), "no administrator");
    done(&mut world, "root", delete()).unwrap();
    assert_eq!(left(&world), [3]);
    let last = done(&mut world, "root", Wish::DeleteAccount("root".to_owned()));
    assert_eq!(last, Err(Rule::LastAdministrator("root".to_owned())));
}

#[test]
fn a_password_is_set_by_its_user_its_main_account_and_administrators() {
    let mut world = world();
    done(&mut world, "main", Wish::CreateSub(Box::new(sub("s", "main")))).unwrap();
    for (by, name, want) in [
        ("main", "main", true),
        ("main", "s", true),
        ("s", "s", true),
        ("root", "main", true),
        ("root", "s", true),
        ("s", "main", false),
        ("other", "main", false),
        ("other", "s", false),
        ("other", "root", false),
        ("root", "nobody", false),
    ] {
        let wish = Wish::SetPassword(name.to_owned(), Hash(format!("of {by}")));
        assert_eq!(done(&mut world, by, wish).is_ok(), want, "{by} {name}");
    }
    assert_eq!(world.accounts["main"].password, "of root");
    assert_eq!(world.credentials().sub("s").unwrap().password, "of root");
}

#[test]
fn access_is_granted_once_and_revoked_if_it_was() {
    let mut world = world();
    done(&mut world, "main", Wish::CreateSub(Box::new(sub("s", "main")))).unwrap();
    let of =
        |kind, storage| Permission { user: "s".to_owned(), kind, target: Target::All, storage };
    let server = |storage| of(TargetKind::Server, storage);
    done(&mut world, "main", Wish::Grant(server(false))).unwrap();
    done(&mut world, "main", Wish::Grant(server(true))).unwrap();
    done(&mut world, "main", Wish::Grant(of(TargetKind::Network, false))).unwrap();
    let it = world.credentials().sub("s").unwrap();
    assert_eq!(it.servers, [Reach { target: Target::All, storage: true }]);
    assert_eq!(it.networks, [Target::All]);
    assert!(done(&mut world, "other", Wish::Revoke(server(true))).is_err());
    done(&mut world, "main", Wish::Revoke(server(true))).unwrap();
    assert!(done(&mut world, "main", Wish::Revoke(server(true))).is_err());
    assert!(world.credentials().sub("s").unwrap().servers.is_empty());
}
