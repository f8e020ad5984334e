//! What was typed and what came of it, the same in every run.

use std::collections::BTreeMap;
use std::path::Path;

use lab::assert_golden;

use crate::site::Site;

pub(crate) struct Transcript<'s> {
    site: &'s Site,
    text: String,
    /// What stands for each UUID that was seen: as long, numbered.
    uuids: BTreeMap<String, String>,
}

impl<'s> Transcript<'s> {
    pub(crate) fn of(site: &'s Site) -> Self {
        Self { site, text: String::new(), uuids: BTreeMap::new() }
    }

    /// Runs a command line, which has no quotes.
    pub(crate) fn run(&mut self, line: &str) {
        self.run_as("admin", line);
    }

    pub(crate) fn run_as(&mut self, user: &str, line: &str) {
        let said = self.site.kannas_as(user, &line.split(' ').collect::<Vec<_>>());
        let mut out = self.stable(&said.out);
        if line.contains(" list") && !line.contains("json") {
            out = sorted(&out);
        }
        let err = self.stable(&said.err);
        let line = self.stable(line);
        self.text += &format!("$ kannas {line}\n{out}{err}");
        if said.code != 0 {
            self.text += &format!("[exit {}]\n", said.code);
        }
        self.text.push('\n');
    }

    /// Compares it all with `tests/golden/NAME.txt`.
    #[track_caller]
    pub(crate) fn check(self, name: &str) {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        assert_golden(golden.join(format!("{name}.txt")), &self.text);
    }

    fn stable(&mut self, text: &str) -> String {
        let text = text.replace(&self.site.url(), "http://127.0.0.1:8080");
        let text = text.replace(self.site.file("").to_str().unwrap(), "/tmp/site/");
        let mut stable = String::new();
        let mut rest = &*text;
        while let Some(next) = rest.chars().next() {
            let (done, instead) = self.stable_start(rest);
            stable += if done == 0 { &rest[..next.len_utf8()] } else { &instead };
            rest = &rest[done.max(next.len_utf8())..];
        }
        stable
    }

    /// How much of the beginning of `text` is chance, and what stands for it.
    fn stable_start(&mut self, text: &str) -> (usize, String) {
        if is_shaped(text, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh") {
            let next = self.uuids.len() + 1;
            let name = || format!("00000000-0000-4000-8000-{next:012}");
            return (36, self.uuids.entry(text[..36].to_owned()).or_insert_with(name).clone());
        }
        if is_shaped(text, "0a:hh:hh:hh:hh:hh") {
            return (17, "0a:00:00:00:00:01".to_owned());
        }
        if text.starts_with("kjt_") {
            let end = text.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(text.len());
            return (end, "kjt_SECRET.FINGERPRINT".to_owned());
        }
        if is_shaped(text, "20dd-dd-ddTdd:dd:dd.dddZ") {
            return (24, "2026-01-01T00:00:00.000Z".to_owned());
        }
        if is_shaped(text, "20dd-dd-ddTdd:dd:ddZ") {
            return (20, "2026-01-01T00:00:00Z".to_owned());
        }
        (0, String::new())
    }
}

/// `h` stands for a hexadecimal digit, `d` for a decimal one.
fn is_shaped(text: &str, shape: &str) -> bool {
    let fits = |(byte, shape): (u8, u8)| match shape {
        b'h' => byte.is_ascii_hexdigit(),
        b'd' => byte.is_ascii_digit(),
        _ => byte == shape,
    };
    text.len() >= shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}

/// The first line, then the others in order: lists are sorted by UUIDs.
fn sorted(text: &str) -> String {
    let mut lines = text.lines();
    let head = lines.next();
    let mut lines: Vec<&str> = lines.collect();
    lines.sort_unstable();
    head.into_iter().chain(lines).map(|line| format!("{line}\n")).collect()
}
