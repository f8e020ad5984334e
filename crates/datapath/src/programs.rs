//! The BPF programs on their devices.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use aya::maps::Map;
use aya::programs::links::{FdLink, LinkError, LinkInfo, LinkOrder, PinnedLink};
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use aya::programs::{ProgramError, SchedClassifier, TcAttachType};
use aya::util::KernelVersion;
use aya::{Ebpf, EbpfError, EbpfLoader};
use uuid::Uuid;

use crate::Object;
use crate::error::Error;
use crate::pins::{Holder, Pins};
use crate::tables::Tables;

/// Built from `bpf/` by `make bpf`; it is committed, so that a build needs no
/// clang.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../bpf/kannas.bpf.o");

/// tcx came with Linux 6.6 (commit e420bed02507).
const FIRST_KERNEL: KernelVersion = KernelVersion::new(6, 6, 0);

pub(crate) struct Programs {
    ebpf: Ebpf,
    pins: Pins,
    /// Links that hold programs on maps of another layout: see `layout.rs`.
    pub(crate) old: BTreeSet<Holder>,
}

impl Programs {
    /// Loads the programs on the maps that are pinned, and puts them in place
    /// of those that an earlier agent left on its devices, if these use the same
    /// maps.
    pub(crate) fn load(pins: Pins, other: Option<&Object>) -> Result<(Self, Tables), Error> {
        if KernelVersion::current().is_ok_and(|version| version < FIRST_KERNEL) {
            return Err(Error::Lacks("tcx (Linux 6.6 or newer is needed)"));
        }
        let mut loader = EbpfLoader::new();
        loader.default_map_pin_directory(pins.maps());
        let ebpf = match other {
            Some(object) => loader.load_file(&object.file),
            None => loader.load(OBJECT),
        };
        let mut ebpf = ebpf.map_err(load_error)?;
        let tables = Tables::take(&mut ebpf)?;
        let mut it = Self { ebpf, pins, old: BTreeSet::new() };
        let all = [Holder::Vtep, Holder::Underlay, Holder::Probe, Holder::Tunnel(0)];
        for holder in all.into_iter().chain([Holder::Port(Uuid::nil())]) {
            let name = name_of(holder);
            let failed = |source| program_error(name, source);
            it.program(holder)?.load().map_err(failed)?;
        }
        it.adopt(&tables)?;
        Ok((it, tables))
    }

    /// What becomes of probes; None if somebody has it already.
    pub(crate) fn take_probes(&mut self) -> Option<Map> {
        self.ebpf.take_map("PROBES")
    }

    pub(crate) fn pins(&self) -> &Pins {
        &self.pins
    }

    /// What a pinned link is to; None when it cannot be used.
    pub(crate) fn link_of(&self, holder: Holder) -> Option<LinkInfo> {
        let link = FdLink::from(PinnedLink::from_pin(self.pins.link(holder)).ok()?);
        link.info().ok()
    }

    /// True when the program that the link holds runs on that device.
    fn is_on(&self, holder: Holder, device: &str) -> bool {
        let Some(link) = self.link_of(holder) else { return false };
        let attached = SchedClassifier::query_tcx(device, TcAttachType::Ingress);
        attached.is_ok_and(|(_, on)| on.iter().any(|program| program.id() == link.program_id()))
    }

    /// True when our program runs on that device, and goes on without us.
    pub(crate) fn runs(&mut self, holder: Holder, device: &str) -> Result<bool, Error> {
        if !self.pins.link(holder).exists() {
            return Ok(false);
        }
        let name = name_of(holder);
        let failed = |source| program_error(name, source);
        let id = self.program(holder)?.info().map_err(failed)?.id();
        let attached = SchedClassifier::query_tcx(device, TcAttachType::Ingress);
        let (_, programs) =
            attached.map_err(|source| Error::Attach { device: device.to_owned(), source })?;
        Ok(programs.iter().any(|program| program.id() == id))
    }

    /// Has our program run on that device, before any other.
    pub(crate) fn ensure(&mut self, holder: Holder, device: &str) -> Result<(), Error> {
        if self.old.contains(&holder) && self.is_on(holder, device) {
            return Ok(());
        }
        if self.runs(holder, device)? {
            return Ok(());
        }
        self.old.remove(&holder);
        self.detach(holder)?;
        let path = self.pins.link(holder);
        let failed = |source| Error::Attach { device: device.to_owned(), source };
        let program = self.program(holder)?;
        let first = TcAttachOptions::TcxOrder(LinkOrder::first());
        let id =
            program.attach_with_options(device, TcAttachType::Ingress, first).map_err(failed)?;
        let link = program.take_link(id).map_err(failed)?;
        let link = FdLink::try_from(link).map_err(|_| Error::Lacks("links of tcx programs"))?;
        let pinned = link.pin(path);
        pinned.map(drop).map_err(|source| Error::Pin { device: device.to_owned(), source })
    }

    /// Takes our program off its device, if it is on one.
    pub(crate) fn detach(&self, holder: Holder) -> Result<(), Error> {
        let path = self.pins.link(holder);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::Pins(path, error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Under the link, so that no packet finds the device without a program.
    pub(crate) fn replace(&mut self, holder: Holder) -> Result<(), Error> {
        let path = self.pins.link(holder);
        let link = match open_link(&path) {
            Ok(link) => link,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    path = %path.display(),
                    "a pinned link cannot be used; its device gets a new one"
                );
                return self.detach(holder);
            }
        };
        let name = name_of(holder);
        let program = self.program(holder)?;
        match program.attach_to_link(link) {
            Ok(id) => {
                // Only its handle here: the pin holds the link.
                drop(program.take_link(id).map_err(|source| Error::Program { name, source })?);
                Ok(())
            }
            // The device of a link may be gone, which ends the link only.
            Err(_) => self.detach(holder),
        }
    }

    fn program(&mut self, holder: Holder) -> Result<&mut SchedClassifier, Error> {
        let name = name_of(holder);
        let program =
            self.ebpf.program_mut(name).ok_or(Error::Lacks("the program that was built"))?;
        program.try_into().map_err(|source| Error::Program { name, source })
    }
}

fn name_of(holder: Holder) -> &'static str {
    match holder {
        Holder::Vtep => "from_vtep",
        Holder::Underlay => "from_underlay",
        Holder::Probe => "from_probe",
        Holder::Tunnel(_) => "from_tunnel",
        Holder::Port(_) => "from_port",
    }
}

fn open_link(path: &PathBuf) -> Result<SchedClassifierLink, LinkError> {
    SchedClassifierLink::try_from(FdLink::from(PinnedLink::from_pin(path)?))
}

fn load_error(error: EbpfError) -> Error {
    match os_error(&error) {
        Some(libc::EPERM | libc::EACCES) => {
            Error::NotAllowed(io::Error::from_raw_os_error(libc::EPERM))
        }
        Some(libc::ENOSYS) => Error::Lacks("bpf(2) (CONFIG_BPF_SYSCALL)"),
        Some(_) | None => Error::Load(error),
    }
}

fn program_error(name: &'static str, source: ProgramError) -> Error {
    match os_error(&source) {
        Some(libc::EPERM) => Error::NotAllowed(io::Error::from_raw_os_error(libc::EPERM)),
        Some(_) | None => Error::Program { name, source },
    }
}

/// The errno at the end of an error's causes.
fn os_error(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.filter_map(|e| e.downcast_ref::<io::Error>()?.raw_os_error()).last()
}
