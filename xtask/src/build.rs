//! Builds the probes to one object, then the agent that carries it.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use crate::{
    command, place,
    setup::toolchain::{self, Toolchain},
};

/// What to build.
#[derive(clap::Args, Default)]
pub struct Options {
    /// The agent as it is shipped. The probes are always optimised: the kernel takes no others.
    #[arg(long)]
    pub release: bool,
    /// Probes that log what they do, and an agent that shows it.
    #[arg(long)]
    pub debug_probes: bool,
}

/// Builds both; the agent's path.
pub fn build(options: &Options) -> Result<PathBuf> {
    build_probes(options.debug_probes)?;
    build_agent(options)?;
    Ok(place::agent(options.release))
}

const TARGET: &str = "bpfel-unknown-none";

fn build_probes(log: bool) -> Result<()> {
    let toolchain = Toolchain::find().context("no compiler for the probes: run `cargo xtask setup`")?;
    let linker = toolchain::linker().context("no bpf-linker 0.13: run `cargo xtask setup`")?;
    let directory = place::target().join("bpf-build");
    let features = if log { "program,log" } else { "program" };
    let mut cargo = toolchain.cargo_build();
    cargo.args(["--package", "poolwatch-ebpf", "--bin", "poolwatch-ebpf", "--features", features]);
    cargo.args(["--release", "-Z", "build-std=core", "--target", TARGET, "--target-dir"]).arg(&directory);
    // Line numbers and BTF are what the verifier's complaints and the map definitions are read from. Without the last one
    // every short array is filled and copied by a call that goes byte by byte.
    let flags = "-C debuginfo=2 -C link-arg=--btf -C link-arg=--disable-expand-memcpy-in-order";
    cargo.env("RUSTFLAGS", format!("-C linker={} {flags}", linker.canonicalize()?.display()));
    command::run(&mut cargo)?;
    keep(&directory.join(TARGET).join("release/poolwatch-ebpf"))
}

/// Puts the object where the agent's build script looks, untouched when it is the same: else each
/// build of the probes would rebuild the agent.
fn keep(built: &PathBuf) -> Result<()> {
    let bytes = fs::read(built).with_context(|| format!("no object at {}", built.display()))?;
    let object = place::bpf_object();
    if fs::read(&object).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::create_dir_all(object.parent().unwrap_or(&object))?;
    // Renamed into place: a build of the agent at the same time reads the old object or the new one.
    let fresh = object.with_extension("fresh");
    fs::write(&fresh, &bytes)?;
    fs::rename(&fresh, &object).with_context(|| format!("cannot write {}", object.display()))
}

fn build_agent(options: &Options) -> Result<()> {
    let mut cargo: Command = command::cargo("build");
    cargo.args(["--package", "poolwatch"]);
    if options.release {
        cargo.arg("--release");
    }
    if options.debug_probes {
        cargo.args(["--features", "probe-log"]);
    }
    command::run(&mut cargo)
}
