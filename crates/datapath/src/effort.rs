//! What work costs this machine, however long it has to wait for others.

use std::cell::Cell;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

thread_local! {
    static HELPERS: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// CPU time of the calling thread, and of those that worked in workloads'
/// namespaces for it.
pub fn effort() -> Duration {
    own() + HELPERS.get()
}

/// Of the calling thread alone.
pub(crate) fn own() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// A thread that worked for the calling one has taken so much.
pub(crate) fn add(it: Duration) {
    HELPERS.set(HELPERS.get() + it);
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn waiting_is_no_effort_and_work_is_whoever_does_it() {
        let (_open, nothing) = std::sync::mpsc::channel::<()>();
        let before = effort();
        let began = Instant::now();
        nothing.recv_timeout(Duration::from_millis(100)).unwrap_err();
        assert!(began.elapsed() >= Duration::from_millis(100));
        assert!(effort() - before < Duration::from_millis(50), "{:?}", effort() - before);
        let work = || {
            while own() < Duration::from_millis(20) {
                std::hint::spin_loop();
            }
            own()
        };
        let before = effort();
        add(std::thread::spawn(work).join().unwrap());
        assert!(effort() - before >= Duration::from_millis(20));
    }
}
