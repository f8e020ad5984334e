//! Bytes over TCP from one workload to another, checked on arrival.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::paths::Endpoint;
use crate::traffic::tcp_pair;

const CHUNK: usize = 64 << 10;

/// Sends `chunks` times 64 KiB; how many bytes arrived, in what time.
///
/// # Errors
/// They do not arrive, or not as they were sent.
pub fn run(from: &Endpoint, to: &Endpoint, chunks: usize) -> Result<(usize, Duration)> {
    let (mut sending, mut receiving) = tcp_pair(from, to)?;
    // No two places of it look alike to the next chunk: 251 is a prime.
    let pattern: Vec<u8> = (0..CHUNK).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect();
    let start = Instant::now();
    std::thread::scope(|scope| {
        let sent = scope.spawn(|| -> Result<()> {
            for _ in 0..chunks {
                sending.write_all(&pattern).context("send")?;
            }
            Ok(())
        });
        let mut chunk = vec![0; CHUNK];
        for number in 0..chunks {
            receiving.read_exact(&mut chunk).context("receive")?;
            ensure!(chunk == pattern, "chunk {number} is not what was sent");
        }
        sent.join().map_err(|_| anyhow!("the sender panicked"))?
    })?;
    Ok((chunks * CHUNK, start.elapsed()))
}
