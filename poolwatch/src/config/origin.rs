//! Where each option was given, so that an error can point at it.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{ArgMatches, parser::ValueSource};

/// Where options were given.
#[derive(Debug, Default)]
pub struct Origins {
    given: BTreeMap<String, ValueSource>,
    file: Option<PathBuf>,
    lines: BTreeMap<String, usize>,
}

impl Origins {
    /// Flags and variables of one command.
    pub fn new(matches: &ArgMatches) -> Self {
        let given = matches.ids().map(clap::Id::as_str);
        // Groups are ids as well, and have no source of their own.
        let given = given.filter(|id| matches.try_contains_id(id).is_ok());
        let given = given.filter_map(|id| Some((id.to_owned(), matches.value_source(id)?)));
        Self { given: given.collect(), file: None, lines: BTreeMap::new() }
    }

    /// Adds the lines of the file.
    pub fn with_file(self, file: PathBuf, lines: BTreeMap<String, usize>) -> Self {
        Self { file: Some(file), lines, ..self }
    }

    /// The place of an option, in words.
    pub fn of(&self, key: &str) -> String {
        match self.given.get(key) {
            Some(ValueSource::CommandLine) => return format!("--{}", key.replace('_', "-")),
            Some(ValueSource::EnvVariable) => return format!("POOLWATCH_{}", key.to_uppercase()),
            _ => {}
        }
        match (&self.file, self.lines.get(key)) {
            (Some(file), Some(line)) => format!("{} line {line}", file.display()),
            _ => "default".to_owned(),
        }
    }
}
