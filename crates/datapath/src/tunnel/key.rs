//! The private keys of this host, each in a file of its own that nobody else
//! may read. They are made here and never leave.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::seal::{Generation, PublicKey};
use x25519_dalek::StaticSecret;

pub(crate) fn public_of(private: [u8; 32]) -> PublicKey {
    x25519_dalek::PublicKey::from(&StaticSecret::from(private)).to_bytes().into()
}

fn path(dir: &Path, generation: Generation) -> PathBuf {
    dir.join(format!("{generation}.key"))
}

/// The key of that generation, made if there is none. It is on disk before it
/// is used.
///
/// # Errors
/// The directory cannot be used.
pub(crate) fn ensure(dir: &Path, generation: Generation) -> io::Result<[u8; 32]> {
    if let Some(key) = load(dir, generation)? {
        return Ok(key);
    }
    let key = StaticSecret::random().to_bytes();
    let (whole, part) = (path(dir, generation), dir.join("new.key"));
    let mut file = OpenOptions::new();
    let file = file.write(true).create(true).truncate(true).mode(0o600);
    let mut file = file.open(&part)?;
    writeln!(file, "{}", PublicKey::from(key))?;
    file.sync_all()?;
    fs::rename(&part, &whole)?;
    Ok(key)
}

/// None when there is none; a file that is damaged is as good as none.
///
/// # Errors
/// It cannot be read.
pub(crate) fn load(dir: &Path, generation: Generation) -> io::Result<Option<[u8; 32]>> {
    match fs::read_to_string(path(dir, generation)) {
        Ok(text) => Ok(text.trim().parse::<PublicKey>().ok().map(PublicKey::octets)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gone already is gone.
///
/// # Errors
/// The directory cannot be used.
pub(crate) fn remove(dir: &Path, generation: Generation) -> io::Result<()> {
    match fs::remove_file(path(dir, generation)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_stays_until_it_is_removed_and_only_its_owner_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let key = ensure(dir.path(), 1).unwrap();
        assert_eq!(ensure(dir.path(), 1).unwrap(), key);
        assert_ne!(ensure(dir.path(), 2).unwrap(), key);
        let mode = fs::metadata(path(dir.path(), 1)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        remove(dir.path(), 1).unwrap();
        remove(dir.path(), 1).unwrap();
        assert_eq!(load(dir.path(), 1).unwrap(), None);
    }

    #[test]
    fn a_public_key_is_what_openssl_makes_of_the_private_one() {
        let private: [u8; 32] = std::array::from_fn(|n| u8::try_from(n + 1).unwrap());
        let public = "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c";
        assert_eq!(public_of(private).to_string(), public);
    }
}
