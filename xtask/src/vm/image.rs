//! The machine's whole file system, as the kernel unpacks it into memory: busybox, PostgreSQL, the agent, tests, and the
//! libraries that all of these name.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{kernel::Kernel, programs::Programs};
use crate::{command, place, setup::system};

/// What the kernel starts.
const INIT: &str = include_str!("init.sh");
/// The users that tests run something as.
const USERS: &str =
    "root:x:0:0::/:/bin/sh\npostgres:x:101:104::/tmp:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n";
const GROUPS: &str = "root:x:0:\npostgres:x:104:\nnogroup:x:65534:\n";
/// Where a test looks for its siblings: `<target>/<profile>/deps`.
const TESTS: &str = "poolwatch/debug/deps";
const SERVER: [&str; 6] = ["postgres", "initdb", "psql", "pgbench", "pg_isready", "pg_ctl"];
const SERVER_PARTS: [&str; 3] = ["plpgsql.so", "pg_stat_statements.so", "dict_snowball.so"];

struct Root {
    at: PathBuf,
    /// Programs and libraries whose own libraries are wanted.
    linked: Vec<PathBuf>,
}

/// Makes it for one kernel; the archive's path.
pub fn make(home: &Path, kernel: &Kernel, agent: &Path, programs: &Programs) -> Result<PathBuf> {
    let at = home.join("root");
    if at.exists() {
        fs::remove_dir_all(&at)?;
    }
    let mut root = Root { at, linked: Vec::new() };
    for directory in ["dev", "proc", "sys", "tmp", "run", "etc", "bin", "usr/bin", "modules"] {
        fs::create_dir_all(root.at.join(directory))?;
    }
    root.text("init", INIT, 0o755)?;
    root.text("etc/passwd", USERS, 0o644)?;
    root.text("etc/group", GROUPS, 0o644)?;
    root.text("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", 0o644)?;
    let busybox = place::executable("busybox").context("no busybox")?;
    root.program(&busybox, "bin/busybox")?;
    symlink("busybox", root.at.join("bin/sh"))?;
    root.server()?;
    root.stripped(agent, "poolwatch/agent")?;
    root.stripped(&programs.client, "poolwatch/debug/poolwatch-client")?;
    for (name, file) in &programs.tests {
        root.stripped(file, &format!("{TESTS}/{name}"))?;
    }
    let names: Vec<&str> = programs.tests.iter().map(|(name, _)| name.as_str()).collect();
    root.text("poolwatch/tests", &format!("{}\n", names.join("\n")), 0o644)?;
    root.libraries()?;
    root.modules(kernel)?;
    let image = home.join(format!("{}.cpio", kernel.name));
    pack(&root.at, &image)?;
    Ok(image)
}

impl Root {
    fn text(&self, path: &str, text: &str, mode: u32) -> Result<()> {
        let file = self.place(path)?;
        fs::write(&file, text)?;
        Ok(fs::set_permissions(&file, fs::Permissions::from_mode(mode))?)
    }

    fn place(&self, path: &str) -> Result<PathBuf> {
        let file = self.at.join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().context("a file lies in a directory")?)?;
        Ok(file)
    }

    fn program(&mut self, from: &Path, to: &str) -> Result<()> {
        let file = self.place(to)?;
        fs::copy(from, &file).with_context(|| format!("copying {}", from.display()))?;
        self.linked.push(from.to_path_buf());
        Ok(())
    }

    /// Without what only debuggers read: all of it is held in memory.
    fn stripped(&mut self, from: &Path, to: &str) -> Result<()> {
        let file = self.place(to)?;
        let mut strip = Command::new("strip");
        if command::answer(strip.arg("-o").arg(&file).arg(from)).is_none() {
            fs::copy(from, &file).with_context(|| format!("copying {}", from.display()))?;
        }
        self.linked.push(from.to_path_buf());
        Ok(())
    }

    /// PostgreSQL at its own place: it finds its parts from there.
    fn server(&mut self) -> Result<()> {
        let programs = system::postgres_bin().context("no PostgreSQL here (cargo xtask setup)")?;
        for name in SERVER {
            let file = programs.join(name);
            self.program(&file, &file.display().to_string())?;
        }
        let asked = |flag: &str| command::answer(Command::new(programs.join("pg_config")).arg(flag));
        let home = programs.parent().context("programs lie in a home")?;
        let parts = asked("--pkglibdir").map_or_else(|| home.join("lib"), PathBuf::from);
        for part in SERVER_PARTS {
            let file = parts.join(part);
            self.program(&file, &file.display().to_string())?;
        }
        let version = home.file_name().unwrap_or_default();
        let shared = asked("--sharedir")
            .map_or_else(|| Path::new("/usr/share/postgresql").join(version), PathBuf::from);
        for directory in [&shared, Path::new("/usr/share/zoneinfo/Etc")] {
            let to = self.place(&directory.display().to_string())?;
            command::run(Command::new("cp").arg("-rL").arg(directory).arg(to))?;
        }
        Ok(())
    }

    fn libraries(&self) -> Result<()> {
        let mut all = BTreeSet::new();
        for file in &self.linked {
            // A program without libraries makes `ldd` fail.
            let text = command::answer(Command::new("ldd").arg(file)).unwrap_or_default();
            let paths = text.split_whitespace().filter(|word| word.starts_with('/') && word.contains(".so"));
            all.extend(paths.map(PathBuf::from));
        }
        for library in all {
            let to = self.place(&library.display().to_string())?;
            fs::copy(&library, to).with_context(|| format!("copying {}", library.display()))?;
        }
        Ok(())
    }

    /// Numbered in their order.
    fn modules(&self, kernel: &Kernel) -> Result<()> {
        for (nth, module) in kernel.modules.iter().enumerate() {
            let to = self.place(&format!("modules/{nth}.ko"))?;
            if module.extension().is_some_and(|kind| kind == "xz") {
                let out = Command::new("xz").arg("-dc").arg(module).output().context("no xz here")?;
                fs::write(to, out.stdout)?;
            } else {
                fs::copy(module, to)?;
            }
        }
        Ok(())
    }
}

fn pack(root: &Path, image: &Path) -> Result<()> {
    let mut pack = Command::new("sh");
    pack.arg("-ec").arg("find . | cpio --quiet -o -H newc -R 0:0 > \"$0\"").arg(image).current_dir(root);
    command::run(&mut pack)
}
