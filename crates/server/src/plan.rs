//! `?plan=1`: what a write would do, in place of doing it.

use axum::http::StatusCode;
use model::error::{Rule, Subject};
use model::forecast::{Forecast, Now, forecast};
use model::op::Op;
use model::wire::forecast::{One, View, Viewer};

use crate::api::Api;
use crate::aside::aside;
use crate::body::json;
use crate::query::Query;
use crate::routes::{Answer, Route};

/// Where what a write does to peerings can be asked for: a path and all below.
const PLANNED: [&str; 4] =
    ["/1.3/network", "/1.3/network-peering", "/1.3/router", "/kannas/v1/peering-groups"];

/// Whether the request is not to be done. Where no plan can be made it is
/// refused: who asks for one wants nothing to be written.
///
/// # Errors
/// Another value than `1`; a write of another kind.
pub(crate) fn is_asked_for(route: &Route, query: &Query) -> Result<bool, Rule> {
    let value = query.one("plan").filter(|_| route.method != "GET");
    let Some(value) = value else { return Ok(false) };
    let collection = route.path.split("/{").next().unwrap_or_default();
    let why = match value {
        "1" if PLANNED.contains(&collection) => return Ok(true),
        "1" => "is not known for this call: nothing was done",
        _ => "must be \"1\"",
    };
    Err(Rule::bad(Subject::Request, "plan", why))
}

impl Api {
    /// Nothing is written, and nobody else hears of it.
    pub(crate) async fn plan(self, by: String, op: Op) -> Answer {
        let plan: Result<One, Rule> = aside(move || {
            let world = self.store.world();
            let (presence, patience) = (self.hub.presence(), self.patience());
            let now = Now { world: &world, presence: &presence, patience };
            let it = forecast(now, &self.on_terms(op))?;
            Ok(One { plan: self.view(&it, now, &by)? })
        })
        .await?;
        Ok(json(StatusCode::OK, &plan?))
    }

    fn view(&self, it: &Forecast, now: Now<'_>, account: &str) -> Result<View, Rule> {
        let viewer = Viewer {
            world: now.world,
            account,
            scope: self.scope(now.world)?,
            main: self.sub.is_none(),
            limits: self.policy.limits_of(now.world, account),
        };
        Ok(View::new(it, viewer))
    }
}
