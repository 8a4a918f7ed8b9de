//! A client for one page at a time.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// Status and body of `GET url`; every status is an answer.
pub fn get(url: &str) -> Result<(u16, String)> {
    get_in(url, Duration::from_secs(10))
}

/// The same, with a bound on the wait.
pub fn get_in(url: &str, wait: Duration) -> Result<(u16, String)> {
    let seconds = wait.as_secs().max(1);
    let answer = minreq::get(url).with_timeout(seconds).send().with_context(|| format!("GET {url}"))?;
    let status = u16::try_from(answer.status_code).unwrap_or(0);
    let body = answer.as_str().with_context(|| format!("GET {url}: not text"))?.to_owned();
    Ok((status, body))
}
