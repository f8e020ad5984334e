//! How many requests an account may make: a bucket of tokens that fills at a
//! steady rate.

/// 0 requests a second is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u32,
    /// Requests at once after a pause.
    pub burst: u32,
}

impl Default for Rate {
    /// So many that only a loop gets there.
    fn default() -> Self {
        Self { per_second: 50_000, burst: 50_000 }
    }
}

/// Times are milliseconds of a clock that never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Thousandths of requests that are left.
    left: u64,
    at: u64,
}

impl Bucket {
    pub fn full(rate: Rate, now: u64) -> Self {
        Self { left: u64::from(rate.burst.max(1)) * 1000, at: now }
    }

    /// True when it is as good as new.
    pub fn is_full(&self, rate: Rate, now: u64) -> bool {
        let full = Self::full(rate, now).left;
        let grown = now.saturating_sub(self.at).saturating_mul(rate.per_second.into());
        self.left.saturating_add(grown) >= full
    }

    /// Takes one request out.
    ///
    /// # Errors
    /// Milliseconds until there is one, at least 1.
    pub fn take(&mut self, rate: Rate, now: u64) -> Result<(), u64> {
        if rate.per_second == 0 {
            return Ok(());
        }
        let per_second = u64::from(rate.per_second);
        // Per millisecond it is as many thousandths as whole ones per second.
        let grown = now.saturating_sub(self.at).saturating_mul(per_second);
        self.left = self.left.saturating_add(grown).min(Self::full(rate, now).left);
        self.at = self.at.max(now);
        match self.left.checked_sub(1000) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err((1000 - self.left).div_ceil(per_second)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_is_taken_at_once_and_then_one_at_a_time() {
        let rate = Rate { per_second: 10, burst: 3 };
        let mut bucket = Bucket::full(rate, 0);
        let taken: Vec<_> = (0..4).map(|_| bucket.take(rate, 0)).collect();
        assert_eq!(taken, [Ok(()), Ok(()), Ok(()), Err(100)]);
        assert_eq!(bucket.take(rate, 99), Err(1));
        assert_eq!(bucket.take(rate, 100), Ok(()));
        assert_eq!(bucket.take(rate, 100), Err(100));
        // A long pause gives no more than the burst.
        let taken = (0..9).filter(|_| bucket.take(rate, 1_000_000).is_ok()).count();
        assert_eq!(taken, 3);
    }

    #[test]
    fn no_rate_is_no_limit() {
        let rate = Rate { per_second: 0, burst: 0 };
        let mut bucket = Bucket::full(rate, 0);
        assert!((0..1000).all(|_| bucket.take(rate, 0).is_ok()));
    }

    proptest! {
        #[test]
        fn over_any_time_no_more_is_taken_than_burst_and_rate_give(
            per_second in 1_u32..5000, burst in 1_u32..50, steps in prop::collection::vec(0_u64..40, 1..300),
        ) {
            let rate = Rate { per_second, burst };
            let mut bucket = Bucket::full(rate, 0);
            let (mut now, mut taken) = (0, 0_u64);
            for step in steps {
                now += step;
                match bucket.take(rate, now) {
                    Ok(()) => taken += 1,
                    Err(wait) => {
                        prop_assert!(wait >= 1);
                        prop_assert_eq!(bucket.clone().take(rate, now + wait), Ok(()));
                    }
                }
                prop_assert!(taken * 1000 <= u64::from(burst) * 1000 + now * u64::from(per_second));
            }
        }
    }
}
