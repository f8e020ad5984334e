//! Probes: whether packets cross to the other hosts, how long they take, and
//! how large they may be. What a probe is, and what it goes through, is told in
//! `datapath/bpf/probe.h`; why it is measured so, in `docs/decisions/0014`.
//!
//! All but [`run`] is bookkeeping without I/O or clock: times are durations
//! since the agent has started.

mod book;
mod desk;
mod ends;
mod forbidden;
mod path;
mod run;
#[cfg(test)]
pub(crate) mod sample;
mod track;
mod trial;
mod wish;

use std::time::Duration;

#[cfg(test)]
pub(crate) use book::Concerns;
pub(crate) use desk::Desk;
pub(crate) use run::Prober;
pub use run::Probes;
pub(crate) use trial::{Attempt, Line};

/// A way is probed this often, and one that is lost this often.
pub(crate) const INTERVAL: Duration = Duration::from_millis(500);
pub(crate) const INTERVAL_LOST: Duration = Duration::from_millis(250);

/// A probe that is not back by then is missed; on a slow path, by four times
/// its round trip.
pub(crate) const MISSED_AFTER: Duration = Duration::from_millis(250);

/// So many missed in a row, and the way is lost.
pub(crate) const LOST_AFTER: u32 = 3;

/// So many back in a row, and it is open again. It is twice as many for each
/// time it was lost in the last [`REMEMBERED`] after the third, up to the most.
pub(crate) const OPEN_AFTER: u32 = 3;
pub(crate) const OPEN_AFTER_MOST: u32 = 48;
pub(crate) const SPACING: Duration = Duration::from_millis(100);
pub(crate) const REMEMBERED: Duration = Duration::from_secs(60);

/// A new way is tried at once, then ever more seldom, for so long.
pub(crate) const FIRST_RETRY: Duration = Duration::from_millis(2);
pub(crate) const TRIED_FOR: Duration = Duration::from_secs(10);

/// Figures that changed a little are told this often.
pub(crate) const REFRESH: Duration = Duration::from_secs(5);

/// Other hosts that are probed between two networks; who they are depends on
/// the host that probes, so that all are probed by some.
pub(crate) const HOSTS: usize = 32;

/// Ends of a way that are probed in turn, so that the tables' entries are.
pub(crate) const ENDS: usize = 16;

/// Ways to one host, and to all, that are probed in an [`INTERVAL`]; if there
/// are more, each is probed less often.
pub(crate) const WAYS_OF_A_HOST: usize = 8;
pub(crate) const WAYS_OF_ALL: usize = 1024;

/// Sizes that are tried at once when the largest is looked for.
pub(crate) const SIZES: usize = 16;

/// How often it is looked for: when it is less than the link takes, and in any
/// case.
pub(crate) const SEARCH_NARROW: Duration = Duration::from_secs(5);
pub(crate) const SEARCH: Duration = Duration::from_secs(3600);
