//! What the demo shows: a line per step, with its time.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Interrupt;

pub(super) struct Screen<'a> {
    out: &'a mut dyn Write,
    colours: bool,
    interrupt: &'a Interrupt,
    start: Instant,
}

/// Columns of a step's title.
const TITLE: usize = 44;

impl<'a> Screen<'a> {
    pub(super) fn new(out: &'a mut dyn Write, colours: bool, interrupt: &'a Interrupt) -> Self {
        Self { out, colours, interrupt, start: Instant::now() }
    }

    /// Does the step; what it gives, once its line says how it went. The title is there while it goes on.
    ///
    /// # Errors
    /// The step's own; it was not begun, as the demo was interrupted.
    pub(super) fn step<T>(
        &mut self,
        title: &str,
        work: impl FnOnce() -> Result<(T, String)>,
    ) -> Result<T> {
        if self.interrupt.came() {
            bail!("interrupted before: {title}");
        }
        let at = self.start.elapsed().as_secs_f64();
        write!(self.out, "{at:7.3} s  {title:<TITLE$} ")?;
        self.out.flush()?;
        let begun = Instant::now();
        match work() {
            Ok((value, detail)) => {
                let (ok, took) = (self.paint("32", "ok"), human(begun.elapsed()));
                writeln!(self.out, "{ok}  {took:>8}  {detail}")?;
                Ok(value)
            }
            Err(error) => {
                let failed = self.paint("31;1", "FAILED");
                writeln!(self.out, "{failed}  after {}", human(begun.elapsed()))?;
                Err(error).with_context(|| format!("step: {title}"))
            }
        }
    }

    pub(super) fn heading(&mut self, text: &str) -> Result<()> {
        let text = self.paint("1", text);
        Ok(writeln!(self.out, "\n{text}")?)
    }

    pub(super) fn say(&mut self, text: &str) -> Result<()> {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// One line of a table.
    pub(super) fn row(&mut self, name: &str, value: &str) -> Result<()> {
        Ok(writeln!(self.out, "  {name:<43} {value}")?)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Three digits and a unit.
pub(super) fn human(time: Duration) -> String {
    let s = time.as_secs_f64();
    match s {
        _ if s >= 1.0 => format!("{s:.2} s"),
        _ if s >= 0.1 => format!("{:.0} ms", s * 1e3),
        _ if s >= 1e-3 => format!("{:.1} ms", s * 1e3),
        _ => format!("{:.0} us", s * 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(colours: bool, interrupt: &Interrupt) -> (String, Vec<bool>) {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, colours, interrupt);
        let good = screen.step("good", || Ok(((), "as it should be".to_owned()))).is_ok();
        let bad = screen.step("bad", || -> Result<((), String)> { bail!("no") });
        let named = bad.as_ref().is_err_and(|e| format!("{e:#}") == "step: bad: no");
        (String::from_utf8(out).unwrap(), vec![good, bad.is_ok(), named])
    }

    #[test]
    fn a_step_is_a_line_and_a_failure_is_an_error_that_names_it() {
        let (text, results) = shown(false, &Interrupt::default());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("s  good ") && lines[0].contains(" ok "), "{text}");
        assert!(lines[0].ends_with("  as it should be"), "{text}");
        assert!(lines[1].contains("s  bad ") && lines[1].contains("FAILED  after "), "{text}");
        assert_eq!(results, [true, false, true]);
        assert!(!text.contains('\x1b'));
        assert!(shown(true, &Interrupt::default()).0.contains("\x1b[32mok\x1b[0m"));
    }

    #[test]
    fn an_interrupted_demo_begins_no_step() {
        let interrupt = Interrupt::default();
        interrupt.raise();
        assert_eq!(shown(false, &interrupt), (String::new(), vec![false, false, false]));
    }

    #[test]
    fn times_have_three_digits_and_a_unit() {
        let text = [1_234_000, 234_000, 23_400, 999, 0].map(Duration::from_micros).map(human);
        assert_eq!(text, ["1.23 s", "234 ms", "23.4 ms", "999 us", "0 us"]);
    }
}
