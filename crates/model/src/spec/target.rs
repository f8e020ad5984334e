//! How a target is read. An enum that is told apart by a field is kept whole by
//! serde until that is seen, which a host with a million routes waits for.

use std::net::IpAddr;

use serde::Deserialize;
use uuid::Uuid;

use super::Target;
use crate::ids::Vni;

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Local,
    Remote,
    Nobody,
}

/// Those of every kind.
#[derive(Deserialize)]
pub(super) struct Fields {
    to: Word,
    port: Option<Uuid>,
    vni: Option<Vni>,
    via: Option<IpAddr>,
    vtep: Option<IpAddr>,
}

impl TryFrom<Fields> for Target {
    type Error = &'static str;

    fn try_from(it: Fields) -> Result<Self, &'static str> {
        let vni = it.vni.ok_or("missing field `vni`");
        Ok(match it.to {
            Word::Nobody => Self::Nobody,
            Word::Local => {
                Self::Local { port: it.port.ok_or("missing field `port`")?, vni: vni?, via: it.via }
            }
            Word::Remote => {
                Self::Remote { vtep: it.vtep.ok_or("missing field `vtep`")?, vni: vni? }
            }
        })
    }
}
