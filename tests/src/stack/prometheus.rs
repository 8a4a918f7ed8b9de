//! A private Prometheus: started with the configuration that is shipped, and asked about what it has scraped.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::shipped::{self, Shipped};
use crate::{
    agent::Agent,
    clock, http, need, place,
    process::{Process, TERMINATE},
};

/// It runs; it is killed when dropped.
pub struct Prometheus {
    process: Process,
    port: u16,
    _directory: TempDir,
}

/// How an example's rules begin.
const RULES: &str = "../../alerts/";

/// The example that is shipped, for this agent, with the rules of this tree. `alertmanager` is where alerts go, as `host:port`.
pub fn example(agent: &Agent, alertmanager: Option<&str>) -> Result<Shipped> {
    let to = alertmanager.map_or_else(String::new, |address| format!("{address:?}"));
    Shipped::read("deploy/prometheus/prometheus.yml")?
        .with(RULES, &rules())?
        .with("\"localhost:9093\"", &to)?
        .with("localhost:9762", &format!("127.0.0.1:{}", agent.port()))
}

/// The same with the rules of the series that in-process instrumentations have.
pub fn with_compat(example: Shipped) -> Result<Shipped> {
    let rules = rules();
    example.with(&format!("# - {rules}compat-"), &format!("- {rules}compat-"))
}

/// The same with labels that only a scrape target has here.
pub fn with_labels(example: Shipped, labels: &str) -> Result<Shipped> {
    example.with("# labels: {region: eu, cluster: blue}", &format!("labels: {{{labels}}}"))
}

fn rules() -> String {
    format!("{}/", shipped::file("alerts").display())
}

impl Prometheus {
    /// Starts it and waits until it answers.
    pub fn start(configuration: &str) -> Result<Self> {
        let directory = place::scratch()?;
        let port = place::free_port()?;
        let config = directory.path().join("prometheus.yml");
        fs::write(&config, configuration)?;
        let mut command = Command::new(need::prometheus().context("no prometheus")?);
        command.arg("--config.file").arg(&config);
        command.arg("--storage.tsdb.path").arg(directory.path().join("data"));
        command.arg("--web.listen-address").arg(format!("127.0.0.1:{port}")).arg("--log.level=warn");
        let process = Process::start("prometheus", &mut command)?;
        let prometheus = Self { process, port, _directory: directory };
        clock::until(Duration::from_secs(30), "Prometheus", || {
            let answer = http::get(&format!("http://127.0.0.1:{port}/-/ready"));
            Ok(answer.is_ok_and(|(status, _)| status == 200).then_some(()))
        })
        .with_context(|| prometheus.process.errors())?;
        Ok(prometheus)
    }

    fn get(&self, path: &str, name: &str, value: &str) -> Result<Value> {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}?{name}={}", self.port, encoded(value));
        let (status, body) = http::get(&url)?;
        ensure!(status == 200, "{value}: {status} {body}");
        let mut answer: Value = serde_json::from_str(&body)?;
        Ok(answer.get_mut("data").context("data")?.take())
    }

    /// Labels and value of each series that the expression gives.
    pub fn ask(&self, expression: &str) -> Result<Vec<(Value, f64)>> {
        let answer = self.get("query", "query", expression)?;
        let result = answer.get("result").and_then(Value::as_array).context("a result")?;
        result
            .iter()
            .map(|series| {
                let value = series.pointer("/value/1").and_then(Value::as_str).context("a value")?;
                Ok((series.get("metric").cloned().unwrap_or_default(), value.parse()?))
            })
            .collect()
    }

    /// The answer as it came, for a test that has failed.
    pub fn tell(&self, expression: &str) -> String {
        match self.get("query", "query", expression) {
            Ok(answer) => answer.to_string(),
            Err(error) => format!("{error:#}"),
        }
    }

    /// The one value of an expression; `None` where it gives none, an error where it gives several.
    pub fn value(&self, expression: &str) -> Result<Option<f64>> {
        let answer = self.ask(expression)?;
        ensure!(answer.len() < 2, "{expression}: {answer:?}");
        Ok(answer.first().map(|(_, value)| *value))
    }

    /// The one value of an expression, once it has one that fits.
    pub fn ask_until(&self, expression: &str, fits: impl Fn(f64) -> bool) -> Result<f64> {
        clock::until(Duration::from_secs(15), expression, || {
            let answer = self.ask(expression)?;
            Ok(answer.first().map(|(_, value)| *value).filter(|value| fits(*value)))
        })
    }

    /// The values of a label among the series that match.
    pub fn label_values(&self, label: &str, matching: &str) -> Result<Vec<String>> {
        let answer = self.get(&format!("label/{label}/values"), "match%5B%5D", matching)?;
        Ok(serde_json::from_value(answer)?)
    }

    /// What it has logged.
    pub fn errors(&self) -> String {
        self.process.errors()
    }

    /// Asks it to end; its exit code and what it logged.
    pub fn terminate(mut self) -> Result<(i32, String)> {
        let log = self.errors();
        Ok((self.process.stop(TERMINATE, Duration::from_secs(20))?, log))
    }
}

/// As a part of a query string.
fn encoded(text: &str) -> String {
    let encode = |byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}
