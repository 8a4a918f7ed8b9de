//! What a process declares of its pools: numbers from its own environment and arguments.
//!
//! The bytes of both come in as `/proc` has them, [`Declared`] goes out: four numbers, and no text. Names and
//! values are looked at where they stand and never kept. Whatever is no number, is ambiguous, or stands for
//! two different pools is absent. Not seen: what a program reads from a file (`.env` included) or has in its code.

mod address;
mod framework;
mod general;
mod number;
mod options;
mod pgbouncer;
mod said;
#[cfg(test)]
mod tests;

use self::{
    number::{Unit, number},
    said::{Number, Said, Source},
};
use crate::event::Declared;

/// A process, as far as it declares something.
#[derive(Clone, Copy)]
pub(super) struct Program<'a> {
    /// Name of its executable, without directories.
    pub executable: &'a str,
    /// `/proc/PID/environ`.
    pub environment: &'a [u8],
    /// `/proc/PID/cmdline`.
    pub arguments: &'a [u8],
}

/// Names of which a connection string is not the running program's pool: Prisma's for migrations, and tests'.
const ELSEWHERE: [&str; 6] = ["DIRECT", "SHADOW", "TEST", "MIGRATION", "MIGRATIONS", "MIGRATE"];

/// What a process declares; `read` gives the text of a file as the process would find it by that path.
pub(super) fn declared(program: &Program<'_>, read: &mut dyn FnMut(&str) -> Option<String>) -> Declared {
    let words = texts(program.arguments);
    match program.executable {
        // The tools of the server, and the pooler of the same name: their variables mean other things.
        "postgres" | "pgpool" | "psql" | "pg_dump" | "pgbench" => Declared::default(),
        "pgbouncer" => {
            let path = pgbouncer::file(words.get(1..).unwrap_or(&[]));
            path.map(|path| pgbouncer::declared(path, read)).unwrap_or_default()
        }
        executable => {
            let mut said = Said::default();
            hear_words(&words, &mut said);
            for variable in texts(program.environment) {
                if let Some((name, value)) = variable.split_once('=') {
                    hear_variable(executable, name, value, &mut said);
                }
            }
            said.declared()
        }
    }
}

/// The texts of a file of `/proc` that ends each with a NUL; what is not UTF-8 holds no number of ours.
fn texts(bytes: &[u8]) -> Vec<&str> {
    let texts = bytes.split(|byte| *byte == 0).filter(|text| !text.is_empty());
    texts.filter_map(|text| std::str::from_utf8(text).ok()).collect()
}

fn hear_variable(executable: &str, name: &str, value: &str, said: &mut Said) {
    if options::OF_JAVA.contains(&name) {
        return hear_words(&options::words(value), said);
    }
    if name == "SPRING_APPLICATION_JSON" {
        return hear_json(value, said);
    }
    if let Some((number, value)) = framework::named(name, value) {
        said.hear(Source::Framework, number, value);
    }
    if let Some((number, value)) = general::named(name, value) {
        said.hear(Source::General, number, value);
    }
    if is_habit(executable, name)
        && let Some(value) = number(value, Unit::Count)
    {
        said.hear(Source::Habit, Number::Max, value);
    }
    if !name.split('_').any(|word| ELSEWHERE.iter().any(|other| word.eq_ignore_ascii_case(other))) {
        hear_address(value, said);
    }
}

/// Variables that are the pool's size by what a framework's generator writes into a new application.
fn is_habit(executable: &str, name: &str) -> bool {
    match name {
        // <https://github.com/rails/rails/pull/23528>
        "RAILS_MAX_THREADS" => executable.starts_with("ruby") || executable.starts_with("truffleruby"),
        // <https://github.com/phoenixframework/phoenix/blob/main/installer/templates/phx_single/config/runtime.exs>
        "POOL_SIZE" => executable == "beam.smp",
        _ => false,
    }
}

fn hear_words(words: &[&str], said: &mut Said) {
    for pair in options::pairs(words) {
        let source = if pair.property { Source::Property } else { Source::Argument };
        let found = framework::named(pair.name, pair.value);
        let found = found.or_else(|| general::named(pair.name, pair.value).filter(|_| !pair.property));
        if let Some((number, value)) = found {
            said.hear(source, number, value);
        }
    }
    for word in words {
        // `--url=postgres://…` as well as the string alone.
        let value =
            word.split_once('=').filter(|(name, _)| name.starts_with('-')).map_or(*word, |(_, value)| value);
        hear_address(value, said);
    }
}

fn hear_address(text: &str, said: &mut Said) {
    for (number, value) in address::numbers(text) {
        said.hear(Source::Address, number, value);
    }
}

/// Spring takes properties from one variable of JSON, nested or with points in their names.
fn hear_json(text: &str, said: &mut Said) {
    if let Ok(document) = serde_json::from_str(text) {
        hear_value(&document, &mut String::new(), said);
    }
}

/// The parser has limited the depth to 128.
fn hear_value(value: &serde_json::Value, path: &mut String, said: &mut Said) {
    if let serde_json::Value::Object(fields) = value {
        for (key, value) in fields {
            let length = path.len();
            path.push('.');
            path.push_str(key);
            hear_value(value, path, said);
            path.truncate(length);
        }
        return;
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Some((number, value)) = framework::named(path, &text) {
        said.hear(Source::Json, number, value);
    }
}
