//! The datapath's programs once more, with another layout of their maps: what an agent of another version brings.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

/// Of its maps; no release has it.
pub const LAYOUT: u32 = 1002;

/// The object file, built from the sources here with clang-14 (`.ci/deps test` installs it), once per run.
///
/// # Errors
/// There is no clang, or it refuses.
pub fn object() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.clone().map_err(|error| anyhow::anyhow!(error)).context("the twin of the BPF programs")
}

fn build() -> Result<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datapath/bpf");
    let beside = std::env::current_exe().context("our own path")?;
    let folder = beside.parent().context("a folder")?;
    // Two runs may build at once.
    let part = folder.join(format!("twin-{}.o", std::process::id()));
    let include = format!("-I/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    let mut clang = Command::new("clang-14");
    clang.args(["-target", "bpfel", "-mcpu=v3", "-O2", "-g", "-DTWIN", "-c", "kannas.bpf.c"]);
    clang.arg(include).arg("-o").arg(&part).current_dir(sources);
    let done = clang.output().context("clang-14: .ci/deps test installs it")?;
    if !done.status.success() {
        bail!("clang-14: {}", String::from_utf8_lossy(&done.stderr));
    }
    let whole = folder.join("twin.bpf.o");
    std::fs::rename(&part, &whole).with_context(|| whole.display().to_string())?;
    Ok(whole)
}
