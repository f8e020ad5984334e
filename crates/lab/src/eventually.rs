//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const STEP: Duration = Duration::from_millis(3);

/// Asks `condition` every 3 ms until it gives a value.
///
/// The condition is asked at least once, and once more after the deadline has passed, so that a machine that
/// stood still for the whole time does not make a true condition fail.
///
/// # Errors
/// `deadline` passed: the message says what was waited for, and for how long.
pub fn eventually<T>(
    deadline: Duration,
    what: &str,
    mut condition: impl FnMut() -> Option<T>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let late = start.elapsed() >= deadline;
        if let Some(value) = condition() {
            return Ok(value);
        }
        if late {
            bail!("not within {deadline:?}: {what}");
        }
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where waiting for a condition is made of sleeps"
)]
fn pause() {
    std::thread::sleep(STEP);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_becomes_true_gives_its_value() {
        let mut asked = 0;
        let value = eventually(Duration::from_secs(5), "the third question", || {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(value.unwrap(), 3);
    }

    #[test]
    fn a_condition_that_stays_false_is_named_in_the_error() {
        let error = eventually(Duration::from_millis(10), "pigs fly", || None::<()>).unwrap_err();
        assert_eq!(error.to_string(), "not within 10ms: pigs fly");
    }

    #[test]
    fn a_condition_is_asked_even_when_there_is_no_time() {
        assert_eq!(eventually(Duration::ZERO, "now", || Some(1)).unwrap(), 1);
    }
}
