//! The project's own tooling: `cargo xtask <command>`.
//!
//! Every command prints the commands that it runs. What it installs for itself goes below `target/`;
//! system packages are installed only as `setup` describes. Nothing here is part of the agent.

mod accuracy;
mod bench;
mod build;
mod command;
mod coverage;
mod demo;
mod fuzz;
mod place;
mod run;
mod setup;
mod soak;
mod stack;
mod stopwatch;
mod test;
mod tidy;
mod vm;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Sets up, builds, tests, shows and tidies poolwatch")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Find what the build and the tests need, and install what is missing.
    Setup {
        /// Install system packages without asking.
        #[arg(long)]
        yes: bool,
        /// Only what a build needs: no server, no test applications.
        #[arg(long)]
        build_only: bool,
    },
    /// Build the probes and the agent.
    Build(build::Options),
    /// Set up, build, and watch this machine.
    Run {
        /// Install system packages without asking.
        #[arg(long)]
        yes: bool,
        /// What to hand to `poolwatch`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Set up everything the tests need, build, and run all tests.
    Test(test::Options),
    /// Show poolwatch on a real application with a pool, and clean up afterwards.
    Demo(demo::Options),
    /// Start Prometheus and Alertmanager beside poolwatch and a pool that is exhausted now and then, for a look.
    Stack(stack::Options),
    /// Write docs/coverage.md from what the last run of the tests counted.
    Coverage,
    /// Compare waits and occupancy with what real pools say of themselves, and write the table of docs/accuracy.md.
    Accuracy(accuracy::Options),
    /// Measure what poolwatch costs, see docs/overhead.md.
    Bench {
        #[command(subcommand)]
        what: bench::What,
    },
    /// Put poolwatch beside an hour of load with churn, and write docs/soak.md.
    Soak(soak::Options),
    /// Boot Debian's kernels in qemu, run tests inside, and write docs/kernels.md.
    Vm(vm::Options),
    /// Throw made-up bytes at one of the readers of bytes, see fuzz/.
    Fuzz(fuzz::Options),
    /// Check the rules of the house that the compiler does not know.
    Tidy,
}

fn main() -> ExitCode {
    match perform(Arguments::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            // By a signal, as a shell would say it.
            ExitCode::from(if error.is::<demo::stop::Stopped>() { 130 } else { 1 })
        }
    }
}

fn perform(task: Task) -> Result<ExitCode> {
    match task {
        Task::Setup { yes, build_only } => {
            let need = if build_only { setup::Need::Run } else { setup::Need::Test };
            setup::set_up(need, yes)?;
        }
        Task::Build(options) => drop(build::build(&options)?),
        Task::Run { yes, arguments } => run::run(yes, &arguments)?,
        Task::Test(options) => return Ok(test::test(&options)),
        Task::Demo(options) => demo::demo(&options)?,
        Task::Stack(options) => stack::stack(&options)?,
        Task::Coverage => coverage::render()?,
        Task::Accuracy(options) => accuracy::accuracy(&options)?,
        Task::Bench { what } => bench::bench(&what)?,
        Task::Soak(options) => soak::soak(&options)?,
        Task::Vm(options) => return vm::vm(&options),
        Task::Fuzz(options) => fuzz::fuzz(&options)?,
        Task::Tidy => tidy::tidy()?,
    }
    Ok(ExitCode::SUCCESS)
}
