//! The toolchain for the probes: a compiler that can build `core` for `bpfel-unknown-none`, and bpf-linker.
//!
//! `core` needs the standard library's source and the compiler's unstable options: a rustup nightly with
//! rust-src has both, and so has Debian's `rustc-web` with `rust-web-src` (`RUSTC_BOOTSTRAP=1`).
//! bpf-linker reads the compiler's bitcode, so it is built on the LLVM that the compiler was built on.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{Item, State, packages};
use crate::{command, place};

/// Oldest compiler that builds the workspace: `rust-version` of Cargo.toml.
const OLDEST: (u32, u32) = (1, 95);
/// LLVM of Debian's `rustc-web`.
const DEBIAN_LLVM: u32 = 22;
/// The release of bpf-linker that is known to link the probes.
const LINKER: &str = "0.13.0";

/// A compiler for the probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `cargo +nightly`
    Nightly,
    /// `/usr/bin/rustc` with `RUSTC_BOOTSTRAP=1`
    Debian,
}

/// A compiler, and the LLVM that it was built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// Where it comes from.
    pub source: Source,
    /// Major version.
    pub llvm: u32,
}

impl Toolchain {
    /// The one that will be used, if there is one.
    pub fn find() -> Option<Self> {
        Self::of(Source::Nightly).or_else(|| Self::of(Source::Debian))
    }

    fn of(source: Source) -> Option<Self> {
        let sysroot = command::answer(source.rustc().args(["--print", "sysroot"]))?;
        let core = Path::new(&sysroot).join("lib/rustlib/src/rust/library/core");
        let (release, llvm) = versions(&command::answer(source.rustc().arg("-vV"))?)?;
        (core.is_dir() && release >= OLDEST).then_some(Self { source, llvm })
    }

    /// `cargo build` with this compiler, for the probes.
    pub fn cargo_build(self) -> Command {
        let mut cargo = command::cargo("build");
        cargo.env_remove("RUSTFLAGS").env_remove("RUSTC_WRAPPER");
        match self.source {
            // With rustup, `cargo` on PATH is its proxy, and this variable chooses.
            Source::Nightly => cargo.env("RUSTUP_TOOLCHAIN", "nightly"),
            Source::Debian => cargo.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1"),
        };
        cargo
    }
}

impl Source {
    fn rustc(self) -> Command {
        match self {
            Self::Nightly => {
                let mut command = Command::new("rustup");
                command.args(["run", "nightly", "rustc"]);
                command
            }
            // Debian's rustup puts its proxy there: it would answer for another toolchain.
            Self::Debian => {
                let mut command = Command::new("/usr/bin/rustc");
                command.env("RUSTUP_TOOLCHAIN", "none");
                command
            }
        }
    }
}

/// The release's first two numbers and LLVM's first, from `rustc -vV`.
fn versions(text: &str) -> Option<((u32, u32), u32)> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let mut release = field("release: ")?.split('.').map_while(|part| part.parse().ok());
    let llvm = field("LLVM version: ")?.split('.').next()?.parse().ok()?;
    Some(((release.next()?, release.next()?), llvm))
}

/// bpf-linker, where it is.
pub fn linker() -> Option<PathBuf> {
    place::executable("bpf-linker").filter(|file| {
        let version = command::answer(Command::new(file).arg("--version")).unwrap_or_default();
        version.starts_with("bpf-linker 0.13.")
    })
}

/// The rows for the compiler and the linker.
pub fn items() -> Vec<Item> {
    vec![compiler_item(), linker_item()]
}

fn compiler_item() -> Item {
    let name = "compiler for the probes";
    let state = match Toolchain::find() {
        Some(Toolchain { source: Source::Nightly, llvm }) => {
            State::Found(format!("rustup nightly with rust-src, LLVM {llvm}"))
        }
        Some(Toolchain { source: Source::Debian, llvm }) => {
            State::Found(format!("/usr/bin/rustc with its library's source, LLVM {llvm}"))
        }
        None if packages::offered("rustc-web") => {
            State::Packages(vec!["rustc-web".into(), "rust-web-src".into()])
        }
        None if place::executable("rustup").is_some() => State::Steps(vec![install_nightly()]),
        None => State::Absent("install rustup, then its nightly toolchain with rust-src".into()),
    };
    Item { name, state, optional: false }
}

fn install_nightly() -> Command {
    let mut rustup = Command::new("rustup");
    rustup.args(["toolchain", "install", "nightly", "--profile", "minimal", "--component", "rust-src"]);
    rustup
}

fn linker_item() -> Item {
    let state = match linker() {
        Some(file) => State::Found(file.display().to_string()),
        None => State::Steps(vec![build_linker(llvm())]),
    };
    Item { name: "bpf-linker", state, optional: false }
}

fn llvm() -> u32 {
    Toolchain::find().map_or(DEBIAN_LLVM, |toolchain| toolchain.llvm)
}

fn llvm_prefix(llvm: u32) -> PathBuf {
    PathBuf::from(format!("/usr/lib/llvm-{llvm}"))
}

/// LLVM to build bpf-linker on: a row only while bpf-linker is missing.
pub fn llvm_item() -> Option<Item> {
    if linker().is_some() {
        return None;
    }
    let llvm = llvm();
    let prefix = llvm_prefix(llvm);
    let state = if prefix.join("bin/llvm-config").is_file() && place::executable("c++").is_some() {
        State::Found(prefix.display().to_string())
    } else {
        State::Packages(vec![format!("llvm-{llvm}-dev"), format!("libpolly-{llvm}-dev"), "g++".into()])
    };
    Some(Item { name: "LLVM to build bpf-linker on", state, optional: false })
}

fn build_linker(llvm: u32) -> Command {
    let prefix = llvm_prefix(llvm);
    let mut cargo = command::cargo("install");
    cargo.args(["bpf-linker", "--version", LINKER, "--locked", "--no-default-features"]);
    cargo.args(["--features", &format!("llvm-{llvm}"), "--force", "--root"]).arg(place::tools());
    // Its build is no part of the workspace's: a stray setting of that must not reach it.
    cargo.arg("--target-dir").arg(place::target().join("tools-build")).env_remove("RUSTFLAGS");
    cargo.env("LLVM_PREFIX", &prefix).env("PATH", place::path_with(&prefix.join("bin")));
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_a_compiler() {
        let text = "rustc 1.96.0 (ac68faa20)\nhost: x86_64\nrelease: 1.96.0\nLLVM version: 22.1.4\n";
        assert_eq!(versions(text), Some(((1, 96), 22)));
        let text = "release: 1.97.0-nightly\nLLVM version: 22.1.4";
        assert_eq!(versions(text), Some(((1, 97), 22)));
        assert_eq!(versions("release: 1\nLLVM version: 22"), None);
        assert_eq!(versions(""), None);
    }
}
