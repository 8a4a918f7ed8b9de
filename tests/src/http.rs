//! A client for one page at a time.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// Status and body of `GET url`; every status is an answer.
pub fn get(url: &str) -> Result<(u16, String)> {
    get_in(url, Duration::from_secs(10))
}

/// The same, with a bound on the wait.
pub fn get_in(url: &str, wait: Duration) -> Result<(u16, String)> {
    let client = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(wait))
        .build()
        .new_agent();
    let mut answer = client.get(url).call().with_context(|| format!("GET {url}"))?;
    let body = answer.body_mut().with_config().limit(64 << 20).read_to_string();
    Ok((answer.status().as_u16(), body.with_context(|| format!("GET {url}: no text"))?))
}
