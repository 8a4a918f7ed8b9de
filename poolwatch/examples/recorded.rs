//! Prints a recording, one line an event: for people who look into what was told.
use std::{env, path::PathBuf, process::ExitCode};

use poolwatch::recording;

fn main() -> ExitCode {
    let Some(file) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("recorded FILE");
        return ExitCode::from(2);
    };
    let events = match recording::open(&file) {
        Ok((_, events)) => events,
        Err(error) => {
            eprintln!("{}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    };
    for event in events {
        match event {
            Ok(event) => println!("{event:?}"),
            Err(error) => {
                eprintln!("{}: {error}", file.display());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
