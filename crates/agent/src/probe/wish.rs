//! What there is to probe of a slice. With a million routes it takes a second
//! to see, in which the book must stay free for the probes that come back.

use std::collections::{BTreeMap, BTreeSet};

use model::spec::HostSpec;
use model::way::Way;

use super::ends::{self, Ends};
use super::forbidden::{Trial, trials};

pub(crate) struct Wish {
    pub(super) ways: BTreeMap<Way, Vec<Ends>>,
    pub(super) trials: BTreeSet<Trial>,
}

impl Wish {
    /// `seed` chooses of what is too much.
    pub(crate) fn of(slice: &HostSpec, seed: u64) -> Self {
        Self { ways: ends::ways(slice, seed), trials: trials(slice) }
    }
}
