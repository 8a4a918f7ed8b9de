//! Brings the probes' object to where the agent includes it from.
//!
//! In comes `$POOLWATCH_BPF_OBJECT` or `<target>/bpf/poolwatch.bpf.o`, which `cargo xtask build` made; out goes
//! `$OUT_DIR/poolwatch.bpf.o`. Without one the file is empty, so that everything but the probes builds and
//! is tested on a machine without an eBPF toolchain; the agent then says at run time what is missing.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

const NAME: &str = "poolwatch.bpf.o";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed=POOLWATCH_BPF_OBJECT");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let object = match env::var_os("POOLWATCH_BPF_OBJECT") {
        Some(named) => watched(PathBuf::from(named)),
        None => built(&out)?,
    };
    let bytes = match fs::read(&object) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    fs::write(out.join(NAME), bytes)
}

fn watched(object: PathBuf) -> PathBuf {
    println!("cargo::rerun-if-changed={}", object.display());
    object
}

/// Where `cargo xtask build` puts it. The directory is watched, and made for that: cargo would rerun
/// this script at every build for a path that does not exist.
fn built(out: &Path) -> io::Result<PathBuf> {
    let directory = target(out).join("bpf");
    fs::create_dir_all(&directory)?;
    println!("cargo::rerun-if-changed={}", directory.display());
    Ok(directory.join(NAME))
}

/// Cargo's target directory is the one above us that it has tagged as a cache.
fn target(out: &Path) -> PathBuf {
    let tagged = out.ancestors().find(|directory| directory.join("CACHEDIR.TAG").is_file());
    tagged.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), Path::to_path_buf)
}
