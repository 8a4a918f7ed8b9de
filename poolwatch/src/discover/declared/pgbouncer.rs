//! PgBouncer's own configuration, when the process is PgBouncer.
//!
//! Its arguments and the text of its file come in, numbers go out. Each pool of PgBouncer belongs to one
//! database and user, as the pools do that are seen from outside, so its sizes are theirs where they are one
//! and the same for all databases; else no single number is true. What it says by default is not said here.
//! Source: <https://github.com/pgbouncer/pgbouncer/blob/0127dbad35ca004ae2c8c4348d6d2ffd441dcb1c/doc/config.md>

use super::{
    address,
    number::{Unit, number},
};
use crate::event::Declared;

/// How deep files may include each other, and how many are read; further ones are passed over.
const DEPTH: usize = 4;
const FILES: usize = 16;

/// What one database, user or the whole says; `None` = nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Sizes {
    size: Option<i64>,
    reserve: Option<i64>,
    min: Option<i64>,
    /// Of all users of a database together.
    of_database: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Other,
    General,
    Databases,
    Users,
}

#[derive(Debug, Default)]
struct Configuration {
    section: Section,
    general: Sizes,
    idle_timeout: Option<i64>,
    wait_timeout: Option<i64>,
    particular: Vec<Sizes>,
    files: usize,
}

/// The path of its file, among its arguments without the first.
pub(super) fn file<'a>(words: &[&'a str]) -> Option<&'a str> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "-u" | "--user" => _ = words.next()?,
            "--" => return words.next().copied(),
            option if option.starts_with('-') => {}
            path => return Some(path),
        }
    }
    None
}

/// What the file says; `read` gives the text of a file by its path.
pub(super) fn declared(path: &str, read: &mut dyn FnMut(&str) -> Option<String>) -> Declared {
    let mut configuration = Configuration::default();
    configuration.take(path, read, DEPTH);
    configuration.declared()
}

impl Configuration {
    fn take(&mut self, path: &str, read: &mut dyn FnMut(&str) -> Option<String>, depth: usize) {
        self.files += 1;
        if depth == 0 || self.files > FILES {
            return;
        }
        let Some(text) = read(path) else { return };
        for line in text.lines().map(str::trim) {
            if let Some(included) = line.strip_prefix("%include") {
                self.take(included.trim(), read, depth - 1);
            } else if let Some(name) = line.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
                self.section = section(name);
            } else if !line.starts_with([';', '#'])
                && let Some((key, value)) = line.split_once('=')
            {
                self.line(key.trim(), value.trim());
            }
        }
    }

    fn line(&mut self, key: &str, value: &str) {
        match self.section {
            Section::Other => {}
            Section::General => self.general(key, value),
            Section::Databases | Section::Users => {
                let mut sizes = Sizes::default();
                for (key, value) in address::pairs(value) {
                    sizes.hear(key, value);
                }
                // A user without a size of its own changes nothing.
                if self.section == Section::Databases || sizes.size.is_some() {
                    self.particular.push(sizes);
                }
            }
        }
    }

    fn general(&mut self, key: &str, value: &str) {
        match key {
            "default_pool_size" => self.general.size = number(value, Unit::Count),
            "server_idle_timeout" => self.idle_timeout = number(value, Unit::Seconds),
            "query_wait_timeout" => self.wait_timeout = number(value, Unit::Seconds),
            _ => self.general.hear(key, value),
        }
    }

    fn declared(&self) -> Declared {
        let pools: Vec<Sizes> = if self.particular.is_empty() {
            vec![self.general]
        } else {
            self.particular.iter().map(|sizes| sizes.or(&self.general)).collect()
        };
        Declared {
            min: same(pools.iter().map(|pool| pool.min)),
            max: same(pools.iter().map(Sizes::max)),
            idle_timeout: self.idle_timeout,
            connection_timeout: self.wait_timeout,
        }
    }
}

impl Sizes {
    fn hear(&mut self, key: &str, value: &str) {
        let place = match key {
            "pool_size" => &mut self.size,
            "reserve_pool" | "reserve_pool_size" => &mut self.reserve,
            "min_pool_size" => &mut self.min,
            "max_db_connections" => &mut self.of_database,
            _ => return,
        };
        *place = number(value, Unit::Count);
    }

    fn or(&self, general: &Self) -> Self {
        Self {
            size: self.size.or(general.size),
            reserve: self.reserve.or(general.reserve),
            min: self.min.or(general.min),
            of_database: self.of_database.or(general.of_database),
        }
    }

    /// The most that one pool may have: its size with its reserve, and no more than its database.
    fn max(&self) -> Option<i64> {
        let size = self.size?;
        if size <= 0 {
            return Some(size);
        }
        let all = size.saturating_add(self.reserve.unwrap_or(0).max(0));
        Some(self.of_database.filter(|limit| *limit > 0).map_or(all, |limit| all.min(limit)))
    }
}

fn section(name: &str) -> Section {
    match name.trim() {
        "pgbouncer" => Section::General,
        "databases" => Section::Databases,
        "users" => Section::Users,
        _ => Section::Other,
    }
}

/// The one value of all; `None` when they differ.
fn same(mut values: impl Iterator<Item = Option<i64>>) -> Option<i64> {
    let first = values.next()?;
    if values.all(|value| value == first) { first } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Declared {
        declared("main.ini", &mut |path| (path == "main.ini").then(|| text.to_owned()))
    }

    #[test]
    fn one_size_for_all() {
        let text = "\
; default_pool_size = 1
[databases]
shop = host=db password='a b=c pool_size=9' dbname=shop
* = host=db
[pgbouncer]
# default_pool_size = 2
listen_port = 6432
default_pool_size = 12
min_pool_size=3
query_wait_timeout = 120
server_idle_timeout = 600.5
";
        let expected = Declared {
            min: Some(3),
            max: Some(12),
            idle_timeout: Some(600_500),
            connection_timeout: Some(120_000),
        };
        assert_eq!(of(text), expected);
    }

    #[test]
    fn sizes_of_databases() {
        let max = |text| of(text).max;
        assert_eq!(max("[databases]\na = pool_size=5\nb = host=h pool_size=5\n"), Some(5));
        assert_eq!(max("[databases]\na = pool_size=5\nb = host=h\n"), None);
        assert_eq!(
            max("[databases]\na = pool_size=5\nb = host=h\n[pgbouncer]\ndefault_pool_size=5"),
            Some(5)
        );
        assert_eq!(max("[databases]\na = pool_size=5\nb = host=h\n[pgbouncer]\ndefault_pool_size=6"), None);
        assert_eq!(max("[users]\nu = pool_size=3\n[databases]\na=\n[pgbouncer]\ndefault_pool_size=6"), None);
        assert_eq!(max("[pgbouncer]\ndefault_pool_size=20\nreserve_pool_size=5"), Some(25));
        assert_eq!(max("[pgbouncer]\ndefault_pool_size=20\nmax_db_connections=8"), Some(8));
        assert_eq!(max("[pgbouncer]\ndefault_pool_size=20\nmax_db_connections=0"), Some(20));
        assert_eq!(max("[pgbouncer]\ndefault_pool_size=-1\nreserve_pool_size=5"), Some(-1));
        assert_eq!(max("[pgbouncer]\npool_mode=session"), None);
        assert_eq!(max("[peers]\ndefault_pool_size=20"), None);
    }

    #[test]
    fn included_files_are_read_and_circles_end() {
        let mut reads = 0;
        let found = declared("a", &mut |path| {
            reads += 1;
            match path {
                "a" => Some("[pgbouncer]\n%include b\n%include a\ndefault_pool_size=4\n".into()),
                "b" => Some("min_pool_size=1\n".into()),
                _ => None,
            }
        });
        assert_eq!((found.min, found.max), (Some(1), Some(4)));
        assert!(reads <= FILES, "{reads}");
    }

    #[test]
    fn its_file_is_the_argument_that_is_no_option() {
        assert_eq!(
            file(&["-d", "-u", "postgres", "/etc/pgbouncer/pgbouncer.ini"]),
            Some("/etc/pgbouncer/pgbouncer.ini")
        );
        assert_eq!(file(&["--user", "x", "-qR", "p.ini"]), Some("p.ini"));
        assert_eq!(file(&["--user=x", "--", "-p.ini"]), Some("-p.ini"));
        assert_eq!(file(&["-V"]), None);
        assert_eq!(file(&["-u"]), None);
    }
}
