//! Schedules of faults, each from a seed: the store, the hub and the agents'
//! requests as they are, on a clock of the simulation's own; agents, kernels and
//! the network between made for it. The same seed makes the same schedule.
//!
//! What holds at every moment of every schedule is in [`check`].

mod check;
mod host;
mod net;
mod site;
mod steps;

use std::fmt::Write;

/// Schedules of a run, unless `KANNAS_SCHEDULES` says otherwise, and the first
/// seed of them, `KANNAS_SEED`.
const SCHEDULES: u64 = 150;
const SEED: u64 = 1;

/// Steps of one schedule.
const STEPS: u32 = 60;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().map_or(usual, |text| text.parse().expect("a number"))
}

#[test]
#[ignore = "make simulate, which make test runs, says how many schedules it explored"]
fn whatever_fails_what_was_promised_holds() {
    let (first, count) = (number("KANNAS_SEED", SEED), number("KANNAS_SCHEDULES", SCHEDULES));
    let mut done = steps::Counts::default();
    for seed in first..first + count {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let schedule = runtime.expect("a runtime").block_on(steps::explore(seed, STEPS));
        done.add(&schedule);
    }
    let mut text = format!("explored {count} schedules from seed {first}:");
    for (what, times) in &done.0 {
        write!(text, " {times} {what},").expect("a String takes all");
    }
    // Only what was done was tried.
    for what in ["writes", "partitions", "server crashes", "agent crashes", "power cuts", "pauses"]
    {
        assert!(count < 20 || done.0.get(what).is_some_and(|n| *n > 0), "no {what}: {text}");
    }
    say(text.trim_end_matches(','));
}

#[expect(clippy::print_stdout, reason = "what a run has explored is its result")]
fn say(text: &str) {
    println!("{text}");
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014): the same everywhere, for ever.
pub(super) struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`.
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        let n = self.below(all.len() as u64);
        &all[usize::try_from(n).expect("below a length")]
    }
}
