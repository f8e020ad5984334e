use model::change::Object;
use model::objects::Account;
use model::policy::Quota;

use super::*;
use crate::password;

const HERE: [u8; 4] = [192, 0, 2, 1];
const THERE: [u8; 4] = [192, 0, 2, 2];
const NOW: Moment = Moment { micros: 1_700_000_000_000_000, ticks: 0 };
const TEXT: &str = "ucat_01JFJ0HDPBXE0DJBP9DXNBEGGP";

fn token() -> Token {
    Token {
        id: Uuid::from_u128(1),
        user: "alice".to_owned(),
        name: "t".to_owned(),
        digest: digest(TEXT),
        created: 0,
        expires: NOW.micros + 1,
        last_used: None,
        can_create_tokens: false,
        allowed_ip_ranges: None,
    }
}

fn world_with(token: Token) -> World {
    let name = "alice".to_owned();
    let alice =
        Account { name, password: password::hash("right"), admin: true, quota: Quota::default() };
    World::restore(1, [Object::Account(alice), Object::Token(token)])
}

fn header(text: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::try_from(text).unwrap())])
}

fn basic(pair: &str) -> HeaderMap {
    header(&format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(pair)))
}

fn bearer(text: &str) -> HeaderMap {
    header(&format!("Bearer {text}"))
}

#[tokio::test]
async fn what_is_neither_basic_nor_a_token_is_refused() {
    let auth = Auth::new();
    let world = world_with(token());
    for value in ["", "Basic", "Basic !", "Basic YWxpY2U=", "Digest x", "Basic /w==", "Bearer"] {
        let refused = auth.user(&world, &header(value), HERE.into(), NOW).await;
        assert!(matches!(refused, Err(Problem::BadCredentials)), "{value}: {refused:?}");
    }
    let mut twice = basic("alice:right");
    twice.append(header::AUTHORIZATION, HeaderValue::from_static("Basic eDp5"));
    assert!(auth.user(&world, &twice, HERE.into(), NOW).await.is_err());
    assert!(auth.user(&world, &basic("nobody:right"), HERE.into(), NOW).await.is_err());
    assert!(auth.user(&world, &basic("alice:right"), HERE.into(), NOW).await.is_ok());
}

#[tokio::test]
async fn a_token_is_good_in_its_time_and_place_and_its_use_is_noted() {
    let auth = Auth::new();
    let world = world_with(token());
    for text in ["", "ucat_", &TEXT[..30], &digest(TEXT)] {
        let refused = auth.user(&world, &bearer(text), HERE.into(), NOW).await;
        assert!(matches!(refused, Err(Problem::BadToken)), "{text}: {refused:?}");
    }
    let late = Moment { micros: NOW.micros + 1, ..NOW };
    assert!(auth.user(&world, &bearer(TEXT), HERE.into(), late).await.is_err());
    assert_eq!(auth.uses(), BTreeMap::new());
    let user = auth.user(&world, &bearer(TEXT), HERE.into(), NOW).await.unwrap();
    assert_eq!((user.name.as_str(), user.makes_credentials), ("alice", false));
    assert_eq!(auth.uses(), BTreeMap::from([(Uuid::from_u128(1), NOW.micros)]));

    let ranges = Some(vec!["192.0.2.2".parse().unwrap()]);
    let bound = world_with(Token { allowed_ip_ranges: ranges, ..token() });
    assert!(auth.user(&bound, &bearer(TEXT), HERE.into(), NOW).await.is_err());
    assert!(auth.user(&bound, &bearer(TEXT), THERE.into(), NOW).await.is_ok());
}

#[tokio::test]
async fn a_use_after_the_one_that_was_written_stays_to_be_written() {
    let auth = Auth::new();
    let world = world_with(token());
    let earlier = Moment { micros: NOW.micros - 5, ..NOW };
    auth.user(&world, &bearer(TEXT), HERE.into(), earlier).await.unwrap();
    let writing = auth.uses();
    auth.user(&world, &bearer(TEXT), HERE.into(), NOW).await.unwrap();
    auth.written(&writing);
    assert_eq!(auth.use_of(Uuid::from_u128(1)), Some(NOW.micros));
    auth.written(&auth.uses());
    assert_eq!(auth.use_of(Uuid::from_u128(1)), None);
}

#[tokio::test]
async fn guesses_wait_and_so_does_the_right_one_among_them() {
    let auth = Auth::new();
    let world = world_with(token());
    let attempt = async |pair: &str, from: [u8; 4], ticks| match auth
        .user(&world, &basic(pair), from.into(), Moment { ticks, ..NOW })
        .await
    {
        Ok(_) => "in".to_owned(),
        Err(Problem::BadCredentials) => "wrong".to_owned(),
        Err(Problem::Busy(Busy::Guessing, ms)) => format!("wait {ms}"),
        Err(other) => panic!("{other:?}"),
    };
    for _ in 0..6 {
        assert_eq!(attempt("alice:guess", HERE, 0).await, "wrong");
    }
    assert_eq!(attempt("alice:guess", HERE, 0).await, "wait 1000");
    // Else who is told to wait would learn which guess is right.
    assert_eq!(attempt("alice:right", HERE, 999).await, "wait 1");
    assert_eq!(attempt("alice:right", THERE, 0).await, "in");
    assert_eq!(attempt("alice:guess", HERE, 1000).await, "wrong");
    assert_eq!(attempt("alice:right", HERE, 1000).await, "wait 2000");
    assert_eq!(attempt("alice:right", HERE, 3000).await, "in");
    assert_eq!(attempt("alice:guess", HERE, 3000).await, "wrong");
}

#[tokio::test]
async fn each_account_has_a_bucket_of_its_own() {
    let auth = Auth::new();
    let rate = Rate { per_second: 1, burst: 2 };
    let count = |account, ticks| auth.count(account, rate, Moment { ticks, ..NOW });
    assert!(count("alice", 0).is_ok() && count("alice", 0).is_ok());
    assert!(matches!(count("alice", 1), Err(Problem::Busy(Busy::Rate, 999))));
    assert!(count("bob", 1).is_ok());
    assert!(count("alice", 1000).is_ok());
    let none = Rate { per_second: 0, burst: 0 };
    assert!((0..100).all(|_| auth.count("carol", none, NOW).is_ok()));
}
