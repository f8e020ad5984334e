//! The last slice this host was given, on disk: a reboot works without the
//! server. The file is what a watch sends, so one line after the other.

use std::path::PathBuf;

use model::spec::HostSpec;
use model::wire::agent::{Assembly, Line, changes};

use crate::files;

pub(crate) struct SliceFile {
    path: PathBuf,
    /// What the file holds.
    held: Option<HostSpec>,
}

impl SliceFile {
    /// A file that cannot be read is as good as none: the server has it all.
    pub(crate) fn open(dir: &std::path::Path) -> Self {
        let path = dir.join("slice.ndjson");
        let held = match files::read(&path) {
            Ok(text) => text.and_then(|text| parse(&text)),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, path = %path.display(), "cannot read the last slice");
                None
            }
        };
        Self { path, held }
    }

    pub(crate) fn held(&self) -> Option<&HostSpec> {
        self.held.as_ref()
    }

    /// Writes only what differs in more than the revision: a slice is the
    /// same at each revision that did not concern it.
    pub(crate) fn keep(&mut self, slice: &HostSpec) {
        let held = self.held.as_ref();
        if held.is_some_and(|h| h.ports == slice.ports && h.routes == slice.routes) {
            return;
        }
        match files::write(&self.path, text(slice).as_bytes()) {
            Ok(()) => self.held = Some(slice.clone()),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, path = %self.path.display(), "cannot keep the slice");
            }
        }
    }
}

fn text(slice: &HostSpec) -> String {
    let lines = changes(&HostSpec::default(), slice);
    let mut text = String::new();
    for line in lines.into_iter().chain([Line::Mark { revision: slice.revision }]) {
        text.push_str(&serde_json::to_string(&line).expect("a line is JSON"));
        text.push('\n');
    }
    text
}

/// None unless the text is whole.
fn parse(text: &str) -> Option<HostSpec> {
    let mut assembly = Assembly::default();
    let mut slice = None;
    for line in text.lines() {
        slice = assembly.take(serde_json::from_str(line).ok()?).cloned();
    }
    slice
}

#[cfg(test)]
mod tests {
    use model::spec::{RouteKey, Target};

    use super::*;

    #[test]
    fn a_slice_is_read_back_as_it_was_and_half_a_file_is_no_slice() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = SliceFile::open(dir.path());
        assert_eq!(file.held(), None);
        let key = RouteKey { vni: 7.try_into().unwrap(), prefix: "10.0.0.0/24".parse().unwrap() };
        let routes = [(key, Target::Nobody)].into();
        let slice = HostSpec { revision: 3, routes, ..HostSpec::default() };
        file.keep(&slice);
        assert_eq!(SliceFile::open(dir.path()).held(), Some(&slice));

        let path = dir.path().join("slice.ndjson");
        let text = std::fs::read_to_string(&path).unwrap();
        let (half, _) = text.trim_end().rsplit_once('\n').unwrap();
        std::fs::write(&path, half).unwrap();
        assert_eq!(SliceFile::open(dir.path()).held(), None);
    }
}
