//! How long to wait before the next attempt.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LAST: Duration = Duration::from_secs(5);

/// Between attempts to reach the server.
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Doubles with each attempt. A random part keeps hosts that lost the
    /// same server from coming back all at once.
    pub fn next_delay(&mut self) -> Duration {
        let whole = base(self.attempts);
        self.attempts = self.attempts.saturating_add(1);
        whole.mul_f64(rand::random_range(0.5..=1.0))
    }

    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

fn base(attempts: u32) -> Duration {
    FIRST.saturating_mul(1 << attempts.min(16)).min(LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_last() {
        let delays: Vec<u128> = (0..9).map(|n| base(n).as_millis()).collect();
        assert_eq!(delays, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(base(u32::MAX), LAST);
    }
}
