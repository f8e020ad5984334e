//! `/1.3/account/tokens` (contract section 5.5): what callers may send in
//! place of a password.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use model::access::{Wish, own_token};
use model::audit::Origin;
use model::credentials::Token;
use model::error::Noun;
use model::ip_range::IpRange;
use model::op::Op;
use model::wire::token::{NewToken, View, sort};
use model::world::World;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::api::{Api, Call};
use crate::auth::digest;
use crate::body::{json, kept_nowhere, nothing};
use crate::hold::Kind;
use crate::problem_json;
use crate::routes::Answer;
use crate::stopped;

/// How often the uses of tokens are written down, in one write.
const WRITTEN_EVERY: Duration = Duration::from_secs(60);

pub(crate) async fn list(api: Api, call: Call) -> Answer {
    told(list_of(&api, &call))
}

pub(crate) async fn show(api: Api, call: Call) -> Answer {
    let world = api.store.world();
    let shown = own_token(&world, &call.user.name, call.id()).map(|it| {
        let it = with_use(&api, it);
        bare(StatusCode::OK, &View::new(&it, filters(&world, &it.user)))
    });
    told(shown.map_err(Into::into))
}

pub(crate) async fn create(api: Api, call: Call) -> Answer {
    told(make(&api, &call).await)
}

pub(crate) async fn delete(api: Api, call: Call) -> Answer {
    told(remove(&api, &call).await)
}

/// These calls tell problems in a way of their own.
fn told(answer: Answer) -> Answer {
    Ok(answer.unwrap_or_else(problem_json::response))
}

fn list_of(api: &Api, call: &Call) -> Answer {
    let world = api.store.world();
    let user = &call.user.name;
    let mut own: Vec<Token> =
        world.credentials().tokens_of(user).map(|it| with_use(api, it)).collect();
    sort(&mut own, call.query.first("sort").unwrap_or_default())?;
    let page = call.query.page(own.iter().filter(|_| call.query.is("gui", "false")));
    let views = page.into_iter().map(|it| View::new(it, filters(&world, user)));
    Ok(bare(StatusCode::OK, &views.collect::<Vec<_>>()))
}

async fn make(api: &Api, call: &Call) -> Answer {
    call.check_makes_credentials()?;
    let now = api.now().micros;
    let wish = NewToken::of_body(&call.body, now)?;
    let text = format!("ucat_{}", ulid());
    let token = Token {
        id: Kind::Token.uuid(),
        user: call.user.name.clone(),
        name: wish.name,
        digest: digest(&text),
        created: now,
        expires: wish.expires,
        last_used: None,
        can_create_tokens: wish.can_create_tokens,
        allowed_ip_ranges: wish.allowed_ip_ranges,
    };
    let by = call.user.name.clone();
    let commit = api.write(Op::Access { by, wish: Wish::CreateToken(token.clone()) }).await?;
    let revision = commit.revision;
    tracing::info!(token = %token.id, user = token.user, revision, "made a token");
    let view = View::new(&token, filters(&commit.world, &token.user)).with_text(&text);
    Ok(kept_nowhere(bare(StatusCode::CREATED, &view)))
}

async fn remove(api: &Api, call: &Call) -> Answer {
    let id = call.uuid(Noun::Token)?;
    let by = call.user.name.clone();
    let commit = api.write(Op::Access { by, wish: Wish::DeleteToken(id) }).await?;
    tracing::info!(token = %id, revision = commit.revision, "deleted a token");
    Ok(nothing())
}

/// Without an envelope and a charset, as it was recorded.
fn bare(status: StatusCode, it: &impl Serialize) -> Response {
    let mut response = json(status, it);
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn with_use(api: &Api, it: &Token) -> Token {
    Token { last_used: api.auth.use_of(it.id).or(it.last_used), ..it.clone() }
}

fn filters<'w>(world: &'w World, user: &str) -> &'w [IpRange] {
    world.credentials().sub(user).map_or(&[], |sub| &sub.ip_filters)
}

/// 26 characters of 128 random bits, written as ULIDs are.
pub(crate) fn ulid() -> String {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bits = u128::from_be_bytes(rand::random());
    let five = |n: u32| LETTERS[usize::try_from(bits >> (5 * n) & 31).expect("below 32")];
    (0..26).rev().map(|n| char::from(five(n))).collect()
}

/// Writes down now and then when tokens were used, until `stop` says so. A
/// request must not cost a write.
pub(crate) async fn write_uses(api: &Api, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(WRITTEN_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = ticks.tick() => write_uses_once(api).await,
        }
    }
}

pub(crate) async fn write_uses_once(api: &Api) {
    let uses: BTreeMap<Uuid, i64> = api.auth.uses();
    if uses.is_empty() {
        return;
    }
    let op = Op::Access { by: String::new(), wish: Wish::TokensUsed(uses.clone()) };
    match api.store.write(op.from(Origin::kannas("tokens were used"))).await {
        Ok(_) => api.auth.written(&uses),
        // They are kept, and the next time is near.
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "cannot write down when tokens were used");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_token_is_26_letters_none_of_which_is_always_the_same() {
        let all: Vec<Vec<char>> = (0..200).map(|_| ulid().chars().collect()).collect();
        assert!(all.iter().all(|text| text.len() == 26 && ('0'..='7').contains(&text[0])));
        for at in 0..26 {
            let kinds: std::collections::BTreeSet<char> = all.iter().map(|text| text[at]).collect();
            assert!(kinds.len() > 6, "{at}: {kinds:?}");
            assert!(kinds.iter().all(|c| c.is_ascii_alphanumeric() && !"ILOUilou".contains(*c)));
        }
    }
}
