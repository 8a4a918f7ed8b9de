//! Measures what poolwatch costs: `cargo xtask bench <what>`. Figures go to the terminal; docs/overhead.md keeps some.

use anyhow::Result;

use crate::command;

/// What to measure.
#[derive(clap::Subcommand)]
pub enum What {
    /// The core alone: events per second of one thread, bytes per connection.
    Core {
        /// What to hand to the benchmark.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

/// Measures.
pub fn bench(what: &What) -> Result<()> {
    match what {
        What::Core { arguments } => {
            let mut cargo = command::cargo("bench");
            cargo.args(["-p", "poolwatch", "--bench", "core", "--"]).args(arguments);
            command::run(&mut cargo)
        }
    }
}
