//! Runs commands as `main` would.

use std::ffi::OsString;

/// What a command has said, and its exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn kannas<S: AsRef<str>>(arguments: &[S]) -> Said {
    run(arguments, false)
}

/// As on a terminal, where progress is shown.
pub(crate) fn kannas_watched<S: AsRef<str>>(arguments: &[S]) -> Said {
    run(arguments, true)
}

fn run<S: AsRef<str>>(arguments: &[S], progress: bool) -> Said {
    let arguments = arguments.iter().map(|it| OsString::from(it.as_ref()));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut shell = cli::Shell { out: &mut out, err: &mut err, progress };
    let code = cli::run(std::iter::once("kannas".into()).chain(arguments), &mut shell);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code, out: text(out), err: text(err) }
}

impl Said {
    /// The output of a command that must succeed and complain of nothing.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, &*self.err), (0, ""), "{}", self.out);
        self.out
    }

    /// Exit code and line of a command that must fail without output.
    #[track_caller]
    pub(crate) fn failed(self) -> (u8, String) {
        assert_eq!(self.out, "");
        let line = self.err.strip_suffix('\n').unwrap();
        assert!(!line.contains('\n') && line.starts_with("kannas: "), "{}", self.err);
        (self.code, line.to_owned())
    }
}
