//! The TOML file: text comes in, the options that it gives go out, with the line of each.
//!
//! Keys are the options' names in `snake_case`. An unknown key is an error that names the nearest one
//! that exists: a misspelt option must not be silently without effect.

use std::{collections::BTreeMap, ops::Range, path::Path};

use clap::Args;
use toml::de::{DeTable, DeValue};

use super::{error::ConfigError, options::Options};

/// Keys of a `[[server]]`.
const SERVER_KEYS: [&str; 4] = ["address", "alias", "max_connections", "port"];

/// Names that are less alike than this are not offered.
const ALIKE: f64 = 0.8;

/// What a file gives.
#[derive(Debug, Default)]
pub struct File {
    /// The options.
    pub options: Options,
    /// Line of each key.
    pub lines: BTreeMap<String, usize>,
}

/// Reads a file.
pub fn read(path: &Path) -> Result<File, ConfigError> {
    let place = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => decode(&text, &place),
        Err(error) => {
            Err(ConfigError { place, key: String::new(), text: format!("cannot be read: {error}") })
        }
    }
}

/// Reads the text of a file; `place` is its name in errors.
pub fn decode(text: &str, place: &str) -> Result<File, ConfigError> {
    let keys = Text { text, place }.keys()?;
    let options = toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        Text { text, place }.error(&span, key_at(text, &keys, span.start), error.message())
    })?;
    let lines = keys.iter().map(|key| (key.name.clone(), line(text, key.start)));
    Ok(File { options, lines: lines.collect() })
}

/// A key and where it stands.
struct Key {
    name: String,
    start: usize,
}

struct Text<'a> {
    text: &'a str,
    place: &'a str,
}

impl Text<'_> {
    /// All keys in the order of the text, each one known.
    fn keys(&self) -> Result<Vec<Key>, ConfigError> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            self.error(&span, "", &format!("this is not TOML: {}", error.message()))
        })?;
        let mut keys = self.known(table.get_ref(), "", &option_keys())?;
        if let Some(DeValue::Array(servers)) = table.get_ref().get("server").map(toml::Spanned::get_ref) {
            for server in servers {
                if let DeValue::Table(server) = server.get_ref() {
                    keys.extend(self.known(server, "server.", &SERVER_KEYS.map(str::to_owned))?);
                }
            }
        }
        keys.sort_by_key(|key| key.start);
        Ok(keys)
    }

    fn known(&self, table: &DeTable<'_>, prefix: &str, known: &[String]) -> Result<Vec<Key>, ConfigError> {
        let mut keys = Vec::new();
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            let full = format!("{prefix}{name}");
            if !known.iter().any(|known| known == name) {
                return Err(self.error(&key.span(), &full, &unknown(name, known)));
            }
            keys.push(Key { name: full, start: key.span().start });
        }
        Ok(keys)
    }

    fn error(&self, span: &Range<usize>, key: &str, what: &str) -> ConfigError {
        let place = format!("{} line {}", self.place, line(self.text, span.start));
        ConfigError { place, key: key.to_owned(), text: what.to_owned() }
    }
}

/// The options' names, from the flags, so that there is one list of them.
pub fn option_keys() -> Vec<String> {
    let command = Options::augment_args(clap::Command::new("options"));
    let flags = command.get_arguments().map(|argument| argument.get_id().to_string());
    flags.filter(|name| name != "config").chain(["server".to_owned()]).collect()
}

fn unknown(name: &str, known: &[String]) -> String {
    let alike = known.iter().map(|known| (strsim::jaro_winkler(known, name), known));
    match alike.max_by(|one, other| one.0.total_cmp(&other.0)).filter(|(alike, _)| *alike >= ALIKE) {
        Some((_, nearest)) => format!("there is no such key; did you mean {nearest}?"),
        None => format!("there is no such key; there are {}", known.join(", ")),
    }
}

/// The key whose value, or whose table's header, stands at the offset.
fn key_at<'a>(text: &str, keys: &'a [Key], offset: usize) -> &'a str {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    if text.get(line..).is_some_and(|line| line.trim_start().starts_with("[[")) {
        return "server";
    }
    keys.iter().rev().find(|key| key.start <= offset).map_or("", |key| &key.name)
}

/// From 1.
fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
