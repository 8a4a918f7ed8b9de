//! Debian's kernel packages: from the archives that this machine's own apt knows, through an apt of our own that has its
//! sources, lists and cache below `target/vm`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::command;

/// Suites of Debian beside the machine's own; `-security` ones lie in the archive of security updates.
const SUITES: [&str; 7] = [
    "bullseye",
    "bullseye-security",
    "bookworm",
    "bookworm-security",
    "bookworm-backports",
    "trixie",
    "trixie-backports",
];
/// Debian's own keys, where its package of them is installed.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Kernel modules that old connections are listed with; Debian has them apart.
const MODULES: [&str; 3] = ["inet_diag", "tcp_diag", "unix_diag"];

/// An unpacked kernel.
pub struct Kernel {
    /// As it was asked for, such as 6.1.
    pub name: String,
    /// Its package, with version.
    pub package: String,
    /// What is booted.
    pub image: PathBuf,
    /// In the order in which they are loaded.
    pub modules: Vec<PathBuf>,
}

/// The private apt.
pub struct Archive {
    home: PathBuf,
}

impl Archive {
    /// Makes it, with fresh lists.
    pub fn open(home: &Path) -> Result<Self> {
        let home = home.join("apt");
        for directory in ["lists/partial", "archives/partial", "parts"] {
            fs::create_dir_all(home.join(directory))?;
        }
        fs::write(home.join("sources.list"), sources()?)?;
        fs::write(home.join("status"), "")?;
        let archive = Self { home };
        // A suite that the mirror does not have must not stop the others.
        if let Err(error) = command::run(archive.apt("apt-get").args(["update", "-q"])) {
            println!("  {error}; going on with the lists that are there");
        }
        Ok(archive)
    }

    fn apt(&self, program: &str) -> Command {
        let mut apt = Command::new(program);
        let at = |name: &str| self.home.join(name).display().to_string();
        for (option, value) in [
            ("Dir::Etc::sourcelist", at("sources.list")),
            ("Dir::Etc::sourceparts", at("parts")),
            ("Dir::Etc::preferences", at("none")),
            ("Dir::Etc::preferencesparts", at("parts")),
            ("Dir::State", self.home.display().to_string()),
            ("Dir::State::lists", at("lists")),
            ("Dir::State::status", at("status")),
            ("Dir::Cache", self.home.display().to_string()),
            ("Dir::Cache::archives", at("archives")),
            ("APT::Sandbox::User", "root".to_owned()),
        ] {
            apt.arg("-o").arg(format!("{option}={value}"));
        }
        apt
    }

    /// The newest kernel of that name, unpacked.
    pub fn fetch(&self, name: &str) -> Result<Kernel> {
        let beginning = format!("linux-image-{name}.");
        let names = command::answer(self.apt("apt-cache").args(["pkgnames", &beginning])).unwrap_or_default();
        let package = newest(&names, &beginning)
            .with_context(|| format!("the suites {} have no {beginning}*-amd64", SUITES.join(", ")))?;
        let directory = self.home.join(name);
        if !directory.join(".whole").is_file() {
            fs::create_dir_all(&directory)?;
            self.unpack(&package, &directory)?;
        }
        let release = package.trim_start_matches("linux-image-");
        let image = directory.join("boot").join(format!("vmlinuz-{release}"));
        if !image.is_file() {
            bail!("{package} holds no {}", image.display());
        }
        let version = command::answer(self.apt("apt-cache").args(["show", "--no-all-versions", &package]));
        let version =
            version.as_deref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("Version: ")));
        let modules =
            MODULES.iter().filter_map(|module| found(&directory, &format!("{module}.ko"))).collect();
        let package = format!("{package} {}", version.unwrap_or_default()).trim_end().to_owned();
        Ok(Kernel { name: name.to_owned(), package, image, modules })
    }

    /// Newer kernels are parted into several packages.
    fn unpack(&self, package: &str, directory: &Path) -> Result<()> {
        let release = package.trim_start_matches("linux-image-");
        let parts = ["linux-binary-", "linux-modules-"].map(|part| format!("{part}{release}"));
        let depends = command::answer(self.apt("apt-cache").args(["depends", package])).unwrap_or_default();
        let mut download = self.apt("apt-get");
        download.current_dir(directory).args(["download", "-q", package]);
        download.args(parts.iter().filter(|part| depends.contains(part.as_str())));
        command::run(&mut download)?;
        let archives = |entry: &PathBuf| entry.extension().is_some_and(|kind| kind == "deb");
        for archive in entries(directory).filter(archives) {
            command::run(Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(directory))?;
            fs::remove_file(archive)?;
        }
        fs::write(directory.join(".whole"), "")?;
        Ok(())
    }
}

/// The lines of `sources.list`: every suite, at the places where this machine's own apt finds its main suites.
fn sources() -> Result<String> {
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]);
    let known = command::answer(&mut targets).context("no apt here")?;
    lines(&known).context("this machine's apt knows no archive of Debian with security updates")
}

fn lines(known: &str) -> Option<String> {
    let main = || known.lines().filter_map(|line| line.strip_suffix(" main")?.rsplit_once(' '));
    let secure = |suite: &str| suite.ends_with("-security");
    let (plain, _) = main().find(|(_, suite)| SUITES.contains(suite) && !secure(suite))?;
    let (security, _) = main().find(|(_, suite)| secure(suite))?;
    let line = |suite: &&str| {
        let place = if secure(suite) { security } else { plain };
        format!("deb [signed-by={KEYS}] {place} {suite} main\n")
    };
    Some(SUITES.iter().map(line).collect())
}

/// The package with the highest version; signed, and for any machine.
fn newest(names: &str, beginning: &str) -> Option<String> {
    let release = |name: &&str| {
        let rest = name.strip_prefix(beginning).and_then(|rest| rest.strip_suffix("-amd64"));
        rest.is_some_and(|rest| !["cloud", "rt", "dbg"].iter().any(|kind| rest.contains(kind)))
    };
    let numbers = |name: &&str| -> Vec<u32> {
        name.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
    };
    names.lines().filter(release).max_by_key(numbers).map(str::to_owned)
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// A file whose name begins so, anywhere below.
fn found(directory: &Path, beginning: &str) -> Option<PathBuf> {
    entries(directory).find_map(|entry| {
        let name = entry.file_name()?.to_string_lossy().into_owned();
        if entry.is_dir() && !entry.is_symlink() {
            return found(&entry, beginning);
        }
        name.starts_with(beginning).then_some(entry)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_looked_for_where_the_machine_finds_its_own() {
        let known =
            "http://a/debian/ bookworm main\nhttp://b/x stable main\nhttp://a/safe/ bookworm-security main\n";
        let lines = lines(known).unwrap();
        assert!(lines.contains("http://a/debian/ trixie-backports main"), "{lines}");
        assert!(lines.contains("http://a/safe/ bullseye-security main"), "{lines}");
        assert_eq!(super::lines("http://b/x stable main\n"), None);
    }

    #[test]
    fn the_newest_is_no_cloud_kernel_and_not_the_unsigned_one() {
        let names = "linux-image-6.1.0-9-amd64\nlinux-image-6.1.0-46-amd64\nlinux-image-6.1.0-47-cloud-amd64\n\
                     linux-image-6.1.0-48-amd64-unsigned\nlinux-image-6.1.0-49-rt-amd64\n";
        assert_eq!(newest(names, "linux-image-6.1.").unwrap(), "linux-image-6.1.0-46-amd64");
    }
}
