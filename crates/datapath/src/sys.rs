//! bpf(2) for what aya has no words for: maps by bytes, and many entries at a
//! time.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Commands of bpf(2), as in linux/bpf.h.
const MAP_UPDATE_ELEM: libc::c_int = 2;
const MAP_DELETE_ELEM: libc::c_int = 3;
const OBJ_GET: libc::c_int = 7;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const MAP_LOOKUP_BATCH: libc::c_int = 24;
const MAP_UPDATE_BATCH: libc::c_int = 26;

/// `struct { … }` of the commands on one element.
#[repr(C)]
#[derive(Default)]
struct Element {
    map: u32,
    unused: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// `batch` of `union bpf_attr`.
#[repr(C)]
#[derive(Default)]
struct Batch {
    from: u64,
    to: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

fn map_of(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

fn address(bytes: &[u8]) -> u64 {
    bytes.as_ptr().addr() as u64
}

fn address_mut(bytes: &mut [u8]) -> u64 {
    bytes.as_mut_ptr().addr() as u64
}

#[expect(unsafe_code, reason = "a system call")]
fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the kernel reads and writes `size` bytes of `attributes`, which
    // are plain integers; what they point to is borrowed by our callers for
    // longer than the call, with the sizes that the map has.
    let done =
        unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done) }
}

/// A key and a value must have the sizes that the map has.
pub(crate) fn update(map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> io::Result<()> {
    let (key, value) = (address(key), address(value));
    bpf(MAP_UPDATE_ELEM, &mut Element { map: map_of(map), key, value, ..Element::default() })?;
    Ok(())
}

/// False when there was none.
pub(crate) fn delete(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<bool> {
    let element = &mut Element { map: map_of(map), key: address(key), ..Element::default() };
    there(bpf(MAP_DELETE_ELEM, element))
}

fn there(result: io::Result<libc::c_long>) -> io::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Sets `count` entries, whose keys and values lie one after the other.
///
/// # Errors
/// Some may be set.
pub(crate) fn update_batch(
    map: BorrowedFd<'_>,
    count: u32,
    keys: &[u8],
    values: &[u8],
) -> io::Result<()> {
    let (keys, values) = (address(keys), address(values));
    let batch = Batch { map: map_of(map), count, keys, values, ..Batch::default() };
    bpf(MAP_UPDATE_BATCH, &mut { batch })?;
    Ok(())
}

/// Where a reading of a map goes on.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// As large as the map's key, and at least 4 bytes, which a hash takes.
    place: Option<Vec<u8>>,
    pub(crate) done: bool,
}

/// Reads at most `count` entries into `keys` and `values`, which have room for
/// them; gives how many.
///
/// # Errors
/// [`libc::ENOSPC`]: a bucket of a hash has more entries than there is room.
pub(crate) fn lookup_batch(
    map: BorrowedFd<'_>,
    cursor: &mut Cursor,
    key_size: usize,
    (keys, values): (&mut [u8], &mut [u8]),
) -> io::Result<usize> {
    let count = u32::try_from(keys.len() / key_size).unwrap_or(u32::MAX);
    let mut next = vec![0; key_size.max(4)];
    let from = cursor.place.as_deref().map_or(0, address);
    let (keys, values) = (address_mut(keys), address_mut(values));
    let to = address_mut(&mut next);
    let mut batch = Batch { map: map_of(map), from, to, keys, values, count, ..Batch::default() };
    cursor.done = !there(bpf(MAP_LOOKUP_BATCH, &mut batch))?;
    cursor.place = Some(next);
    Ok(usize::try_from(batch.count).unwrap_or(0))
}

/// `struct { … }` of BPF_OBJ_GET.
#[repr(C)]
#[derive(Default)]
struct Pinned {
    path: u64,
    fd: u32,
    flags: u32,
}

/// `info` of `union bpf_attr`.
#[repr(C)]
#[derive(Default)]
struct InfoOf {
    fd: u32,
    length: u32,
    info: u64,
}

/// The beginning of `struct bpf_link_info`, with the fields of a tcx link.
#[repr(C)]
#[derive(Default)]
struct LinkInfo {
    kind: u32,
    id: u32,
    program: u32,
    unused: u32,
    device: u32,
    attached: u32,
}

/// The device that a pinned tcx link is on, 0 when it is on none any more, and
/// the number of its program.
pub(crate) fn tcx_link(pin: &Path) -> io::Result<(u32, u32)> {
    let path = CString::new(pin.as_os_str().as_bytes())?;
    let path = address(path.as_bytes_with_nul());
    let fd = bpf(OBJ_GET, &mut Pinned { path, ..Pinned::default() })?;
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    #[expect(unsafe_code, reason = "a descriptor that the kernel has just given")]
    // SAFETY: it is ours alone.
    let link = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut info = LinkInfo::default();
    let (length, at) = (u32::try_from(size_of::<LinkInfo>()).unwrap_or(0), &raw mut info);
    let fd = link.as_raw_fd().cast_unsigned();
    bpf(OBJ_GET_INFO_BY_FD, &mut InfoOf { fd, length, info: at.addr() as u64 })?;
    Ok((info.device, info.program))
}
