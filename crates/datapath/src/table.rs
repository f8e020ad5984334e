//! A map of many entries, by bytes: read and written many at a time, and with
//! room for values that are longer than ours.
//!
//! A program of another layout may have fields behind those that we know;
//! they are written as zeros.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};

use aya::Pod;
use aya::maps::{Map, MapData};

use crate::error::Error;
use crate::sys::{self, Cursor};

/// Entries in one call: the kernel copies each, and lets others run in between.
const BATCH: usize = 4096;

pub(crate) struct Table<K, V> {
    name: &'static str,
    map: MapData,
    /// Bytes of a value in the map.
    value_size: usize,
    types: PhantomData<(K, V)>,
}

impl<K: Pod, V: Pod> Table<K, V> {
    /// # Errors
    /// It is no map of such keys and values.
    pub(crate) fn of(name: &'static str, map: Map) -> Result<Self, Error> {
        let (Map::HashMap(map) | Map::LpmTrie(map)) = map else {
            return Err(Error::Lacks("a map of routes that is one"));
        };
        let info = map.info().map_err(|source| Error::Map { name, source })?;
        let sizes = [info.key_size(), info.value_size()].map(|n| usize::try_from(n).unwrap_or(0));
        let [key_size, value_size] = sizes;
        if key_size != size_of::<K>() || value_size < size_of::<V>() {
            return Err(Error::Lacks("maps of the layout that was built"));
        }
        Ok(Self { name, map, value_size, types: PhantomData })
    }

    pub(crate) fn id(&self) -> Result<u32, Error> {
        let name = self.name;
        Ok(self.map.info().map_err(|source| Error::Map { name, source })?.id())
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.map.fd().as_fd()
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Entries { name: self.name, source }
    }

    pub(crate) fn insert(&mut self, key: &K, value: &V) -> Result<(), Error> {
        let value = self.padded(value);
        sys::update(self.fd(), bytes_of(key), &value).map_err(|error| self.failed(error))
    }

    /// Gone already is gone.
    pub(crate) fn remove(&mut self, key: &K) -> Result<(), Error> {
        sys::delete(self.fd(), bytes_of(key)).map(drop).map_err(|error| self.failed(error))
    }

    /// Sets all of these; when some cannot be set, others are.
    pub(crate) fn insert_all(&mut self, entries: &[(K, V)]) -> Result<(), Error> {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for part in entries.chunks(BATCH) {
            keys.clear();
            values.clear();
            for (key, value) in part {
                keys.extend_from_slice(bytes_of(key));
                values.extend_from_slice(bytes_of(value));
                values.resize(values.len() + self.value_size - size_of::<V>(), 0);
            }
            let count = u32::try_from(part.len()).unwrap_or(0);
            let set = sys::update_batch(self.fd(), count, &keys, &values);
            set.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// Hands every entry on. One that is written meanwhile may come or not.
    pub(crate) fn each(&self, mut take: impl FnMut(K, V)) -> Result<(), Error> {
        let mut room = BATCH;
        let mut cursor = Cursor::default();
        while !cursor.done {
            let mut keys = vec![0; room * size_of::<K>()];
            let mut values = vec![0; room * self.value_size];
            let into = (&mut keys[..], &mut values[..]);
            let read = match sys::lookup_batch(self.fd(), &mut cursor, size_of::<K>(), into) {
                // More in one bucket than there is room: the same place again.
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) && room < 1 << 20 => {
                    room *= 2;
                    continue;
                }
                Err(error) => return Err(self.failed(error)),
                Ok(read) => read,
            };
            let entries = keys.chunks(size_of::<K>()).zip(values.chunks(self.value_size));
            for (key, value) in entries.take(read) {
                take(read_as(key), read_as(value));
            }
        }
        Ok(())
    }

    fn padded(&self, value: &V) -> Vec<u8> {
        let mut bytes = bytes_of(value).to_vec();
        bytes.resize(self.value_size, 0);
        bytes
    }
}

#[expect(unsafe_code, reason = "what goes to the kernel is bytes")]
fn bytes_of<T: Pod>(it: &T) -> &[u8] {
    // SAFETY: a Pod is plain bytes without padding, all of them initialised.
    unsafe { std::slice::from_raw_parts((&raw const *it).cast(), size_of::<T>()) }
}

/// # Panics
/// There are too few bytes.
#[expect(unsafe_code, reason = "what comes from the kernel is bytes")]
fn read_as<T: Pod>(bytes: &[u8]) -> T {
    assert!(bytes.len() >= size_of::<T>(), "a key or value of the map's own size");
    // SAFETY: any bytes are a value of a Pod, and there are enough of them.
    unsafe { bytes.as_ptr().cast::<T>().read_unaligned() }
}
