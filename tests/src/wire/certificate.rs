//! A certificate for a server that encrypts, of the run's own.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::postgres;

/// Makes a key and a certificate for this machine below `directory`; the server's settings that name them.
pub fn settings(directory: &Path) -> Result<Vec<String>> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names)?;
    let owned = directory.join("owned");
    fs::create_dir(&owned)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    let certificate = write(&owned, "server.crt", &made.cert.pem())?;
    let key = write(&owned, "server.key", &made.signing_key.serialize_pem())?;
    Ok(vec![
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", certificate.display()),
        format!("ssl_key_file={}", key.display()),
    ])
}

/// The server takes no key that others may read.
fn write(directory: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let file = directory.join(name);
    fs::write(&file, text)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    postgres::give_to_postgres(&file)?;
    Ok(file)
}
