//! What the programs of the drivers need beyond Node and Python: Java, Go, Ruby, PHP, and libpq's header.
//!
//! Programs that are built go below `target/`, beside the libraries that they load. A language that is not
//! here and cannot be had is reported, and the tests of its drivers skip with that reason.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    Item, State,
    apps::{language_packages, newer},
};
use crate::{command, place};

/// The rows.
pub fn items() -> Vec<Item> {
    [
        ("Java, pgjdbc and HikariCP", java()),
        ("Go and its drivers", go()),
        ("Ruby and pg", ruby()),
        ("PHP and pdo_pgsql", php()),
        ("libpq's program", libpq()),
    ]
    .map(|(name, state)| Item { name, state, optional: true })
    .into()
}

fn java() -> State {
    let manifest = place::apps().join("java/pom.xml");
    if place::executable("java").is_none() || place::executable("mvn").is_none() {
        return language_packages(&["default-jdk-headless", "maven"], "no java and mvn on PATH");
    }
    let home = place::target().join("java");
    let jars = ["postgresql.jar", "HikariCP.jar"].map(|name| home.join(name));
    if jars.iter().all(|jar| newer(jar, std::slice::from_ref(&manifest))) {
        return State::Found(home.display().to_string());
    }
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "dependency:copy-dependencies", "-Dmdep.stripVersion=true"]);
    maven.args(["-Dmdep.overWriteReleases=true", "-DincludeScope=runtime"]);
    maven.arg(format!("-DoutputDirectory={}", home.display())).arg("-f").arg(&manifest);
    // A jar keeps the date of its making, which is older than any manifest.
    let mut touch = Command::new("touch");
    touch.args(&jars);
    State::Steps(vec![maven, touch])
}

/// Programs in Go, each in a directory of its name.
const GO_PROGRAMS: [&str; 6] = ["wire_pgx", "wire_pq", "rig_sql", "rig_pgx", "rig_through", "tls_pgx"];
/// Some of them, linked in other ways: their functions are looked for in each.
const GO_LINKED: [(&str, &str); 3] = [
    ("pie/wire_pq", "-buildmode=pie"),
    ("external/wire_pq", "-ldflags=-linkmode=external"),
    ("stripped/tls_pgx", "-ldflags=-s -w"),
];

fn go() -> State {
    let home = place::apps().join("go");
    let (wanted, found) = (go_version(&home.join("go.mod")), go_found());
    if found < wanted {
        let no = |version: Option<(u32, u32)>| version.map_or("none".to_owned(), |(a, b)| format!("{a}.{b}"));
        return State::Absent(format!("go {} is on PATH, {} is wanted", no(found), no(wanted)));
    }
    let programs = place::target().join("go");
    let shared = ["go.mod", "go.sum", "own/own.go", "rig/rig.go"].map(|file| home.join(file));
    let current = |name: &&str| {
        // What is linked otherwise has its source beside the others.
        let source = name.rsplit('/').next().unwrap_or(name);
        let sources = shared.iter().cloned().chain([home.join(source).join("main.go")]);
        newer(&programs.join(name), &sources.collect::<Vec<_>>())
    };
    if GO_PROGRAMS.iter().all(current) && GO_LINKED.iter().all(|(name, _)| current(name)) {
        return State::Found(programs.display().to_string());
    }
    let build = |flag: &str, to: PathBuf, what: &str| {
        let mut build = Command::new("go");
        build.args(["build", flag, "-o"]).arg(to).arg(what).current_dir(&home);
        build.env("GOTOOLCHAIN", "local");
        build
    };
    let all = build("-buildmode=default", programs.join(""), "./...");
    let linked = GO_LINKED.map(|(name, flag)| {
        let what = name.rsplit('/').next().unwrap_or(name);
        build(flag, programs.join(name), &format!("./{what}"))
    });
    State::Steps([directory(&programs), all].into_iter().chain(linked).collect())
}

/// The `go` line of a module.
fn go_version(manifest: &Path) -> Option<(u32, u32)> {
    fs::read_to_string(manifest).ok()?.lines().find_map(|line| release(line.strip_prefix("go ")?))
}

fn go_found() -> Option<(u32, u32)> {
    let text = command::answer(Command::new("go").arg("version").env("GOTOOLCHAIN", "local"))?;
    release(text.strip_prefix("go version go")?)
}

/// The first two numbers of `1.26.8 linux/amd64`.
fn release(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(['.', ' ']).map_while(|part| part.parse().ok());
    Some((parts.next()?, parts.next()?))
}

fn ruby() -> State {
    let answers = command::answer(
        Command::new("ruby").args(["-e", "require 'pg'; require 'connection_pool'; puts PG::VERSION"]),
    );
    found_or_packages(
        answers,
        &["ruby", "ruby-pg", "ruby-connection-pool"],
        "no ruby with its packages pg and connection_pool",
    )
}

fn php() -> State {
    let asked = "extension_loaded('pdo_pgsql') or exit(1); echo PHP_VERSION;";
    let answers = command::answer(Command::new("php").args(["-r", asked]));
    found_or_packages(answers, &["php-cli", "php-pgsql"], "no php with pdo_pgsql")
}

fn found_or_packages(answers: Option<String>, names: &[&str], without: &str) -> State {
    match answers {
        Some(version) => State::Found(version.trim().to_owned()),
        None => language_packages(names, without),
    }
}

fn libpq() -> State {
    let source = place::apps().join("c/wire_libpq.c");
    let include = command::answer(Command::new("pg_config").arg("--includedir")).map(PathBuf::from);
    let header = include.filter(|directory| directory.join("libpq-fe.h").is_file());
    let (Some(include), Some(_)) = (header, place::executable("cc")) else {
        return language_packages(&["libpq-dev", "gcc", "libc6-dev"], "no cc with libpq-fe.h");
    };
    let built = place::target().join("c/wire_libpq");
    if newer(&built, std::slice::from_ref(&source)) {
        return State::Found(built.display().to_string());
    }
    let mut compile = Command::new("cc");
    compile.args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&built).arg("-I").arg(include);
    compile.arg(source).arg("-lpq");
    State::Steps(vec![directory(&place::target().join("c")), compile])
}

fn directory(path: &Path) -> Command {
    let mut mkdir = Command::new("mkdir");
    mkdir.arg("-p").arg(path);
    mkdir
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_go() {
        assert_eq!(release("1.26.8 linux/amd64"), Some((1, 26)));
        assert_eq!(release("1.26"), Some((1, 26)));
        assert_eq!(release("devel"), None);
    }

    #[test]
    fn no_go_is_older_than_any() {
        assert!(None < go_version(&place::apps().join("go/go.mod")));
    }
}
