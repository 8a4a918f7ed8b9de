//! poolwatch for aarch64, as far as this machine allows: whether the agent builds, by a compiler that has its standard library as
//! source, and Debian's C compiler for it. Nothing of it is run.

use std::{fs, path::Path};

use anyhow::Result;

use crate::{command, place, setup::toolchain::Toolchain};

const TARGET: &str = "aarch64-unknown-linux-gnu";
const COMPILER: &str = "aarch64-linux-gnu-gcc";
/// What was found, for the page.
const NOTE: &str = "aarch64.txt";

/// Builds, and leaves a sentence for the page.
pub fn check(home: &Path) -> Result<()> {
    fs::create_dir_all(home)?;
    Ok(fs::write(home.join(NOTE), sentence())?)
}

/// The sentence of the last check.
pub fn text(home: &Path) -> String {
    let note = fs::read_to_string(home.join(NOTE)).unwrap_or_else(|_| "Not tried.".to_owned());
    format!("\n### aarch64\n\n{note}\n")
}

fn sentence() -> String {
    let Some(toolchain) = Toolchain::find() else {
        return "Not tried: no compiler here that can build a standard library.".to_owned();
    };
    if place::executable(COMPILER).is_none() {
        return format!(
            "Not tried: no {COMPILER} here (Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross)."
        );
    }
    let mut cargo = toolchain.cargo_build();
    cargo.args(["--package", "poolwatch", "-Z", "build-std=std,panic_unwind", "--target", TARGET]);
    cargo.arg("--target-dir").arg(place::target().join("cross"));
    cargo.env(format!("CC_{}", TARGET.replace('-', "_")), COMPILER);
    cargo.env(format!("CARGO_TARGET_{}_LINKER", TARGET.to_uppercase().replace('-', "_")), COMPILER);
    cargo.env("POOLWATCH_BPF_OBJECT", place::bpf_object());
    match command::run(&mut cargo) {
        Ok(()) => format!(
            "The agent builds and links for {TARGET}, with the same object of probes in it: BPF knows no machine, and what differs \
             (`struct pt_regs`, numbers of system calls) is chosen when the agent is built. It was not run, and the object was not \
             loaded by a kernel for aarch64: there is no such machine here."
        ),
        Err(error) => format!("The agent does not build here for {TARGET}: {error}"),
    }
}
