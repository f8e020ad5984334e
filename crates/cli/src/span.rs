//! Spans of time, as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Whole seconds, as `90`, `90s`, `15m`, `2h` or `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(u32);

impl Span {
    pub(crate) fn seconds(self) -> u32 {
        self.0
    }

    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let bad = "a time is a whole number of s, m, h or d, like 90s";
        let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
        let split = |(unit, factor)| text.strip_suffix(unit).map(|number| (number, factor));
        let (number, factor) = units.into_iter().find_map(split).unwrap_or((text, 1));
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let number = number.parse::<u32>().ok().filter(|_| digits).ok_or(bad)?;
        number.checked_mul(factor).map(Self).ok_or(bad)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_with_or_without_a_unit() {
        for (text, want) in [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604_800)] {
            assert_eq!(text.parse(), Ok(Span(want)), "{text}");
        }
        for bad in ["", "s", "1.5h", "-1", "+1", "1w", "1 h", "99999999d", "4294967296"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
