//! Who may ask, and how the line is secured: the bearer token and the TLS certificate.
//!
//! Read once at the start, from files, so that neither is in the arguments or the environment.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result, ensure};
use subtle::ConstantTimeEq;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, crypto,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use std::path::PathBuf;

/// Where the secrets are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessFiles {
    /// File whose content, without white space at its ends, is the bearer token.
    pub auth_token_file: Option<PathBuf>,
    /// Certificate chain and private key, both PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// What the door checks; the default lets everybody in over plain HTTP.
#[derive(Clone, Default)]
pub struct Access {
    token: Option<Arc<str>>,
    tls: Option<TlsAcceptor>,
}

impl Access {
    /// Reads the files. The errors name the file and what is wrong with it.
    pub fn load(files: &AccessFiles) -> Result<Self> {
        let token = files.auth_token_file.as_deref().map(read_token).transpose()?;
        let tls = files.tls.as_ref().map(|(certificate, key)| read_tls(certificate, key)).transpose()?;
        Ok(Self { token, tls })
    }

    /// The TLS side, if the line is secured.
    pub const fn tls(&self) -> Option<&TlsAcceptor> {
        self.tls.as_ref()
    }

    /// Whether the value of an `Authorization` header opens the door. Takes the same time for every
    /// wrong token of the right length.
    pub fn admits(&self, authorization: Option<&[u8]>) -> bool {
        let Some(token) = &self.token else { return true };
        let given = authorization.and_then(|value| value.split_at_checked("Bearer ".len()));
        let Some((scheme, given)) = given else { return false };
        scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(given.ct_eq(token.as_bytes()))
    }
}

fn read_token(file: &Path) -> Result<Arc<str>> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("auth_token_file: cannot read {}", file.display()))?;
    let token = text.trim();
    ensure!(!token.is_empty(), "auth_token_file: {} is empty", file.display());
    Ok(token.into())
}

fn read_tls(certificate: &Path, key: &Path) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.with_context(|| format!("tls_cert: cannot read {}", certificate.display()))?;
    ensure!(!chain.is_empty(), "tls_cert: no certificate in {}", certificate.display());
    let private = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("tls_key: cannot read {}", key.display()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| format!("tls_cert, tls_key: {} does not fit", certificate.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded() -> Access {
        Access { token: Some("s3cret".into()), tls: None }
    }

    #[test]
    fn only_the_token_opens() {
        for wrong in ["", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cret ", "Basic  s3cret", "s3cret"] {
            assert!(!guarded().admits(Some(wrong.as_bytes())), "{wrong}");
        }
        assert!(!guarded().admits(None));
        assert!(guarded().admits(Some(b"Bearer s3cret")));
        assert!(guarded().admits(Some(b"bearer s3cret")));
        assert!(Access::default().admits(None));
    }

    #[test]
    fn a_missing_or_empty_token_is_named() {
        let files = |file: &str| AccessFiles { auth_token_file: Some(file.into()), tls: None };
        let missing =
            format!("{:#}", Access::load(&files("/nonexistent/token")).err().expect("no such file"));
        assert!(missing.contains("auth_token_file: cannot read /nonexistent/token"), "{missing}");
        let empty = Access::load(&files("/dev/null")).err().expect("an empty token");
        assert_eq!(empty.to_string(), "auth_token_file: /dev/null is empty");
    }
}
