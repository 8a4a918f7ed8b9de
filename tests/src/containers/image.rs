//! An image that holds one program, which waits, and empty directories for what is mounted: registries are out of reach
//! of many machines that run tests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::{place, process};

/// Its name.
pub const NAME: &str = "localhost/poolwatch/waiting:1";
/// Directories of the machine that a container sees as well.
pub const SEEN: [&str; 5] = ["/bin", "/etc", "/lib", "/lib64", "/usr"];

const SHORT: Duration = Duration::from_secs(30);

/// Writes the image as `docker save` would, into a directory of its own.
pub fn write(directory: &Path) -> Result<PathBuf> {
    let root = directory.join("layer");
    for name in SEEN.iter().chain(&["/dev", "/proc", "/sys", "/tmp"]) {
        fs::create_dir_all(root.join(name.trim_start_matches('/')))?;
    }
    let program = place::target()?.join("c/waiting");
    fs::copy(&program, root.join("waiting")).with_context(|| format!("no {}", program.display()))?;
    pack(&root, &[".".into()], &directory.join("layer.tar"))?;
    let layer = sum(&directory.join("layer.tar"))?;
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Entrypoint": ["/waiting"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer}")]},
    });
    fs::write(directory.join("config.json"), config.to_string())?;
    let config = format!("{}.json", sum(&directory.join("config.json"))?);
    fs::rename(directory.join("config.json"), directory.join(&config))?;
    let manifest = json!([{"Config": config, "RepoTags": [NAME], "Layers": ["layer.tar"]}]);
    fs::write(directory.join("manifest.json"), manifest.to_string())?;
    let image = directory.join("image.tar");
    pack(directory, &[config, "layer.tar".to_owned(), "manifest.json".to_owned()], &image)?;
    Ok(image)
}

fn pack(directory: &Path, names: &[String], archive: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.arg("--create").arg("--file").arg(archive).arg("--directory").arg(directory).args(names);
    process::run("tar", &mut tar, SHORT)?.success("tar").map(drop)
}

fn sum(file: &Path) -> Result<String> {
    let answer = process::run("sha256sum", Command::new("sha256sum").arg(file), SHORT)?;
    let line = answer.success("sha256sum")?;
    line.split_whitespace().next().map(str::to_owned).context("sha256sum prints a sum")
}
