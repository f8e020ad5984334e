//! The last slice this host was given, on disk: a reboot works without the
//! server. The file is what a watch sends, so one line after the other.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::ids::Revision;
use model::spec::HostSpec;
use model::wire::agent::{Assembly, Line, changes};

use crate::files;
use crate::mailbox::{Mail, Mailbox};

/// Writing takes at most this part of the time: a slice may be large and
/// change often.
const PART: u32 = 10;

/// A file that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What this host was given, and under which lease; copies share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slice {
    /// None of a server that gives no leases.
    pub(crate) epoch: Option<Revision>,
    pub(crate) spec: Arc<HostSpec>,
}

impl Slice {
    pub(crate) fn revision(&self) -> Revision {
        self.spec.revision
    }

    /// But for the revision: a slice is the same at each one that did not
    /// concern it.
    fn is_as(&self, other: &Self) -> bool {
        let (one, two) = (&self.spec, &other.spec);
        let same = one.ports == two.ports && one.routes == two.routes;
        self.epoch == other.epoch && same && one.sealing == two.sealing
    }
}

pub(crate) struct SliceFile {
    path: PathBuf,
    /// What the file holds.
    held: Option<Slice>,
    /// What it is to hold.
    offered: Option<Slice>,
    not_before: Instant,
}

impl SliceFile {
    /// A file that cannot be read is as good as none: the server has it all.
    pub(crate) fn open(dir: &Path) -> Self {
        let path = dir.join("slice.ndjson");
        let read = files::open(&path).and_then(|file| file.map(parse).transpose());
        let held = match read {
            Ok(slice) => slice.flatten(),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, path = %path.display(), "cannot read the last slice");
                None
            }
        };
        Self { path, held, offered: None, not_before: Instant::now() }
    }

    pub(crate) fn held(&self) -> Option<&Slice> {
        self.held.as_ref()
    }

    /// To be written when it is due, unless that is there.
    fn offer(&mut self, slice: Slice) {
        let same = self.held.as_ref().is_some_and(|held| held.is_as(&slice));
        self.offered = (!same).then_some(slice);
    }

    /// When there is something to write.
    fn due(&self) -> Option<Instant> {
        self.offered.as_ref().map(|_| self.not_before)
    }

    fn write(&mut self) {
        let Some(slice) = self.offered.take() else { return };
        let began = Instant::now();
        match files::write_by(&self.path, |out| write(&slice, out)) {
            Ok(()) => {
                self.held = Some(slice);
                self.not_before = Instant::now() + began.elapsed() * PART;
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, path = %self.path.display(), "cannot keep the slice");
                self.offered = Some(slice);
                self.not_before = Instant::now() + RETRY;
            }
        }
    }
}

/// Keeps the newest slice on disk, on a thread of its own: a disk can take
/// seconds, and the kernel must not wait for it. Dropping it writes the last.
pub(crate) struct Keeper {
    slices: Arc<Mailbox<Slice>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start(file: SliceFile) -> io::Result<Self> {
        let slices = Arc::new(Mailbox::new());
        let theirs = slices.clone();
        let thread = std::thread::Builder::new().name("slice".to_owned());
        let thread = thread.spawn(move || keep(file, &theirs))?;
        Ok(Self { slices, thread: Some(thread) })
    }

    pub(crate) fn offer(&self, slice: &Slice) {
        self.slices.put(slice.clone());
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.slices.close();
        if let Some(thread) = self.thread.take() {
            // Whether it panicked or not, it is over.
            let _ = thread.join();
        }
    }
}

fn keep(mut file: SliceFile, slices: &Mailbox<Slice>) {
    loop {
        match slices.wait(file.due()) {
            Mail::New(slice) => file.offer(slice),
            Mail::Late | Mail::Rung => {}
            Mail::Closed => {
                if let Some(slice) = slices.rest() {
                    file.offer(slice);
                }
                return file.write();
            }
        }
        if file.due().is_some_and(|due| due <= Instant::now()) {
            file.write();
        }
    }
}

/// Line by line: all of it at once would be twice the slice, and more.
fn write(slice: &Slice, out: &mut impl Write) -> io::Result<()> {
    let none = HostSpec::default();
    let lease = slice.epoch.map(|epoch| Line::Lease { epoch, limit_ms: 0 });
    let mark = Line::Mark { revision: slice.revision() };
    for line in lease.into_iter().chain(changes(&none, &slice.spec)).chain([mark]) {
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// None unless the file is whole.
fn parse(mut file: impl BufRead) -> io::Result<Option<Slice>> {
    let mut assembly = Assembly::default();
    let (mut lease, mut whole, mut text) = (None, false, Vec::new());
    while file.read_until(b'\n', &mut text)? > 0 {
        let Ok(line) = Line::parse(&text) else { return Ok(None) };
        if let Line::Lease { epoch, .. } = line {
            lease = Some(epoch);
        }
        whole = assembly.take(line).is_some();
        text.clear();
    }
    let spec = whole.then(|| Arc::new(assembly.into_slice()));
    Ok(spec.map(|spec| Slice { epoch: lease, spec }))
}

#[cfg(test)]
mod tests {
    use model::spec::{RouteKey, Target};

    use super::*;

    #[test]
    fn a_slice_is_read_back_as_it_was_and_half_a_file_is_no_slice() {
        let dir = tempfile::tempdir().unwrap();
        let file = SliceFile::open(dir.path());
        assert_eq!(file.held(), None);
        let key = RouteKey { vni: 7.try_into().unwrap(), prefix: "10.0.0.0/24".parse().unwrap() };
        let routes = vec![(key, Target::Nobody)].into();
        let spec = Arc::new(HostSpec { revision: 3, routes, ..HostSpec::default() });
        let slice = Slice { epoch: Some(2), spec };
        let keeper = Keeper::start(file).unwrap();
        keeper.offer(&Slice { epoch: None, ..slice.clone() });
        keeper.offer(&slice);
        drop(keeper);
        assert_eq!(SliceFile::open(dir.path()).held(), Some(&slice));

        let path = dir.path().join("slice.ndjson");
        let text = std::fs::read_to_string(&path).unwrap();
        let (half, _) = text.trim_end().rsplit_once('\n').unwrap();
        std::fs::write(&path, half).unwrap();
        assert_eq!(SliceFile::open(dir.path()).held(), None);
    }
}
