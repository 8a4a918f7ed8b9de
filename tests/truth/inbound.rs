//! A certificate for a rig's way in, and somebody who speaks TLS and trusts it.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer},
};

/// Variables for the rig, and the other side.
pub fn certificate(directory: &Path) -> Result<(Vec<(&'static str, String)>, TlsConnector)> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
    fs::write(&certificate, made.cert.pem())?;
    fs::write(&key, made.signing_key.serialize_pem())?;
    let path = |file: &Path| file.to_str().map(str::to_owned).context("a path in UTF-8");
    let environment = vec![("TLS_CERT", path(&certificate)?), ("TLS_KEY", path(&key)?)];
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(made.cert.der().to_vec()))?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok((environment, TlsConnector::from(Arc::new(config))))
}
