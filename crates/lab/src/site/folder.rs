//! Where a site keeps its things, with a BPF file system in it.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::netns::{is_abandoned, names_in};

/// Root's alone, so that no other user can put something where ours is to be.
const ALL: &str = "/var/lib/kannas-lab";

/// What a folder is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A write costs what it costs.
    Disk,
    Memory,
}

/// Deleted on drop, with the pins.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str, medium: Medium) -> Result<Self> {
        let path = Path::new(ALL).join(name);
        make(&path).with_context(|| format!("make {}", path.display()))?;
        let folder = Self(path);
        if medium == Medium::Memory {
            mount_on("tmpfs", &folder.0, "mode=0700,size=1g")?;
        }
        let pins = folder.pins();
        fs::create_dir(&pins).with_context(|| format!("make {}", pins.display()))?;
        mount_on("bpf", &pins, "mode=0700")?;
        Ok(folder)
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The site's BPF file system.
    #[must_use]
    pub fn pins(&self) -> PathBuf {
        self.0.join("bpf")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nobody can be told. What stays has our name, so that a later sweep finds it.
        let _ = remove(&self.0);
    }
}

fn mount_on(kind: &str, path: &Path, options: &str) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some(kind), path, Some(kind), flags, Some(options))
        .with_context(|| format!("mount {kind} on {} (needs root)", path.display()))
}

fn make(path: &Path) -> std::io::Result<()> {
    let mut private = DirBuilder::new();
    private.mode(0o700);
    for _ in 0..100 {
        fs::create_dir_all(ALL)?;
        match private.create(path) {
            // Another run has deleted ALL, in which it was the last.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            result => return result,
        }
    }
    Err(ErrorKind::NotFound.into())
}

/// As [`crate::netns::sweep_abandoned`], of folders.
pub(super) fn sweep_abandoned(family: &str) -> Result<Vec<String>> {
    sweep_if(&format!("{family}-"), is_abandoned)
}

/// As [`crate::netns::sweep`], of folders.
pub(super) fn sweep(prefix: &str) -> Result<Vec<String>> {
    sweep_if(prefix, |_| true)
}

/// Names of the folders that begin with `prefix`, in order.
pub(super) fn named(prefix: &str) -> Result<Vec<String>> {
    names_in(Path::new(ALL), prefix)
}

fn sweep_if(prefix: &str, doomed: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    ensure!(prefix.len() >= 3, "prefix {prefix:?} is too short to sweep by");
    let mut swept = named(prefix)?;
    swept.retain(|name| doomed(&name[prefix.len()..]));
    for name in &swept {
        remove(&Path::new(ALL).join(name))?;
    }
    Ok(swept)
}

/// Gone already is fine: two runs may sweep at once.
fn remove(folder: &Path) -> Result<()> {
    for place in [&folder.join("bpf"), folder] {
        match umount2(place, MntFlags::MNT_DETACH) {
            // EINVAL: nothing is mounted there.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("unmount {}", place.display()));
            }
        }
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("delete {}", folder.display()));
        }
        Ok(()) | Err(_) => {}
    }
    // Stays while others are in it.
    let _ = fs::remove_dir(ALL);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns::prefix;

    #[test]
    fn a_folder_has_pins_of_its_own_and_goes_with_them() {
        let [a, b] = [("a", Medium::Disk), ("b", Medium::Memory)]
            .map(|(n, on)| Folder::new(&format!("{}folder-{n}", prefix("kt")), on).unwrap());
        fs::create_dir(a.pins().join("host")).unwrap();
        assert!(!b.pins().join("host").exists(), "two mounts are two file systems");
        let refused = fs::write(a.pins().join("text"), "no").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "it is a BPF file system");
        let path = a.path().to_owned();
        drop(a);
        assert!(!path.exists() && b.pins().exists());
        let other = b.path().to_owned();
        drop(b);
        assert!(!other.exists());
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        for path in [path, other] {
            assert!(!mounts.contains(&*path.to_string_lossy()), "{mounts}");
        }
    }

    #[test]
    fn what_a_dead_run_left_is_swept_and_what_a_living_one_has_stays() {
        // Above the kernel's limit of process numbers (2^22), so never alive.
        let family = format!("kt-{}-fo", std::process::id());
        let dead = format!("{family}-4194999-x");
        std::mem::forget(Folder::new(&dead, Medium::Memory).unwrap());
        let alive =
            Folder::new(&format!("{family}-{}-x", std::process::id()), Medium::Disk).unwrap();
        assert_eq!(sweep_abandoned(&family).unwrap(), [dead]);
        assert!(alive.pins().exists());
    }
}
