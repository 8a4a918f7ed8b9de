//! Debian's kernels, each booted in qemu with PostgreSQL, poolwatch and tests of it inside: docs/kernels.md.
//!
//! Software emulation needs no rights and no hardware for it, and is slow: what is measured in there means nothing, what is
//! counted does. A kernel that cannot be had is left out with its reason; nothing of this machine is changed but for packages
//! that set-up is allowed to install.

mod boot;
mod cross;
mod image;
mod kernel;
mod page;
mod programs;
mod tests;

use std::process::ExitCode;

use anyhow::{Result, bail};

use self::{kernel::Archive, page::Row};
use crate::{
    build, place,
    setup::{self, Need, packages},
};

/// Kernels that are booted when none is named.
const KERNELS: [&str; 4] = ["5.10", "6.1", "6.12", "6.18"];
/// The page.
const PAGE: &str = "docs/kernels.md";
/// What it takes, by program and Debian package.
const NEEDED: [(&str, &str); 3] =
    [("qemu-system-x86_64", "qemu-system-x86"), ("busybox", "busybox-static"), ("cpio", "cpio")];

/// What to boot.
#[derive(clap::Args)]
pub struct Options {
    /// Kernels, such as 6.1; all of docs/kernels.md when none is named.
    kernels: Vec<String>,
    /// Test programs to run inside, instead of all that can.
    #[arg(long, value_delimiter = ',')]
    tests: Vec<String>,
    /// Boot nothing: write the page anew from what the last boots said.
    #[arg(long)]
    page: bool,
    /// Build nothing: take what the last run built.
    #[arg(long)]
    built: bool,
    /// Install system packages without asking.
    #[arg(long)]
    yes: bool,
}

/// Boots one after the other, and writes the page; the exit code is not 0 when a test failed.
pub fn vm(options: &Options) -> Result<ExitCode> {
    let home = place::target().join("vm");
    if options.page {
        page::again(&home, &KERNELS)?;
        page::write(&home, &KERNELS, &place::root().join(PAGE))?;
        return Ok(ExitCode::SUCCESS);
    }
    set_up(options.yes)?;
    let agent = if options.built {
        place::agent(true)
    } else {
        setup::set_up(Need::Demo, options.yes)?;
        build::build(&build::Options { release: true, debug_probes: false })?
    };
    let programs = programs::build(&options.tests)?;
    let wanted = if options.kernels.is_empty() {
        KERNELS.map(str::to_owned).to_vec()
    } else {
        options.kernels.clone()
    };
    let archive = Archive::open(&home);
    let mut failed = false;
    for name in &wanted {
        let row = match archive
            .as_ref()
            .map_err(|error| format!("{error:#}"))
            .and_then(|archive| archive.fetch(name).map_err(|error| format!("{error:#}")))
        {
            Err(why) => Row::left_out(name, &why),
            Ok(kernel) => {
                let image = image::make(&home, &kernel, &agent, &programs)?;
                boot::boot(&home, &kernel, &image)?
            }
        };
        println!("{}", row.line());
        failed |= row.failed();
        row.keep(&home)?;
    }
    // Not every time: it takes as long as a build without anything.
    if options.kernels.is_empty() {
        cross::check(&home)?;
    }
    page::write(&home, &KERNELS, &place::root().join(PAGE))?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn set_up(yes: bool) -> Result<()> {
    let missing: Vec<String> = NEEDED
        .iter()
        .filter(|(program, _)| place::executable(program).is_none())
        .map(|(_, package)| (*package).to_owned())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("missing: Debian packages {}", missing.join(" "));
    if !packages::agreed(yes)? {
        bail!("not installed: {}", missing.join(" "));
    }
    packages::install(&missing)
}
