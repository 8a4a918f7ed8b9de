//! Options and defaults in, a valid [`Config`] out: what no single value can tell is checked here.

use std::{collections::BTreeSet, path::PathBuf};

use tracing::level_filters::LevelFilter;

use super::{
    Config, LogSettings, Targets,
    error::ConfigError,
    options::{Options, ServerOptions},
    origin::Origins,
    services::ServiceFilter,
    value::{Listen, PoolMax, Port},
};
use crate::{
    export::access::AccessFiles,
    infer::settings::{ServerSettings, Settings},
};

/// Where the door listens by default.
const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 9762);

/// The server's own port and the usual one of a pooler.
const PORTS: [u16; 2] = [5432, 6432];

/// Connections above which a pool's size is seldom meant: each is a process of the server.
const MANY: u32 = 100;

/// The configuration that the options mean.
pub fn resolve(options: Options, origins: &Origins) -> Result<Config, ConfigError> {
    let at = Checks { options: &options, origins };
    at.verbosity()?;
    at.labels()?;
    let access = AccessFiles { auth_token_file: options.auth_token_file.clone(), tls: at.certificate()? };
    Ok(Config {
        listen: options.listen.unwrap_or(Listen(LISTEN.into())).0,
        targets: at.targets()?,
        inference: at.inference()?,
        evidence: options.evidence.unwrap_or_default(),
        tls: options.tls.unwrap_or_default(),
        cri: options.cri.clone().unwrap_or_default(),
        probes: options.probes.unwrap_or_default(),
        ring_bytes: options.ring_bytes.unwrap_or_default().0,
        sql: !options.no_sql.unwrap_or(false),
        label_user: options.label_user.unwrap_or(false),
        access,
        doubts: at.doubts(),
        log: LogSettings { format: options.log_format.unwrap_or_default(), level: level(&options) },
        labels: options.label.into_iter().map(|label| (label.name, label.value)).collect(),
    })
}

fn ports(given: &[Port]) -> Vec<u16> {
    let ports: BTreeSet<_> = given.iter().map(|port| port.0).collect();
    if ports.is_empty() { PORTS.to_vec() } else { ports.into_iter().collect() }
}

fn level(options: &Options) -> LevelFilter {
    match options.verbose {
        _ if options.quiet == Some(true) => LevelFilter::WARN,
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

struct Checks<'a> {
    options: &'a Options,
    origins: &'a Origins,
}

impl Checks<'_> {
    fn wrong(&self, key: &str, text: &str) -> ConfigError {
        ConfigError { place: self.origins.of(key), key: key.to_owned(), text: text.to_owned() }
    }

    fn targets(&self) -> Result<Targets, ConfigError> {
        self.processes()?;
        let services = ServiceFilter::new(&self.options.service, &self.options.exclude)
            .map_err(|why| self.wrong("service", &format!("the patterns are too large: {why}")))?;
        let pids: BTreeSet<_> = self.options.pid.iter().map(|pid| pid.0).collect();
        Ok(Targets {
            pids: pids.into_iter().collect(),
            follow_children: !self.options.no_follow_children.unwrap_or(false),
            exit_with_pid: self.options.exit_with_pid.unwrap_or(false),
            services,
            ports: ports(&self.options.port),
        })
    }

    fn processes(&self) -> Result<(), ConfigError> {
        if !self.options.pid.is_empty() {
            return Ok(());
        }
        for (key, given) in [
            ("no_follow_children", self.options.no_follow_children),
            ("exit_with_pid", self.options.exit_with_pid),
        ] {
            if given == Some(true) {
                return Err(self.wrong(key, "means nothing without --pid"));
            }
        }
        Ok(())
    }

    fn verbosity(&self) -> Result<(), ConfigError> {
        if self.options.quiet == Some(true) && self.options.verbose > 0 {
            let other = self.origins.of("verbose");
            return Err(self.wrong("quiet", &format!("cannot be together with verbose ({other})")));
        }
        Ok(())
    }

    fn labels(&self) -> Result<(), ConfigError> {
        let mut names = BTreeSet::new();
        match self.options.label.iter().find(|label| !names.insert(&label.name)) {
            Some(twice) => Err(self.wrong("label", &format!("{:?} is given twice", twice.name))),
            None => Ok(()),
        }
    }

    fn certificate(&self) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
        match (&self.options.tls_cert, &self.options.tls_key) {
            (Some(certificate), Some(key)) => Ok(Some((certificate.clone(), key.clone()))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(self.wrong("tls_cert", "needs tls_key, its private key")),
            (None, Some(_)) => Err(self.wrong("tls_key", "needs tls_cert, its certificate")),
        }
    }

    fn inference(&self) -> Result<Settings, ConfigError> {
        let defaults = Settings::default();
        let warn = self.options.warn_utilization.map_or(defaults.warn_utilization, |share| share.0);
        let critical =
            self.options.critical_utilization.map_or(defaults.critical_utilization, |share| share.0);
        if warn >= critical {
            let other = self.origins.of("critical_utilization");
            let text = format!("{warn} must be below critical_utilization, which is {critical} ({other})");
            return Err(self.wrong("warn_utilization", &text));
        }
        Ok(Settings {
            slow_threshold: self.options.slow_threshold.map_or(defaults.slow_threshold, |span| span.0),
            warn_utilization: warn,
            critical_utilization: critical,
            pool_max: self.pool_max()?,
            servers: self.servers()?,
        })
    }

    fn pool_max(&self) -> Result<Vec<(Option<String>, u32)>, ConfigError> {
        let mut services = BTreeSet::new();
        if let Some(twice) = self.options.pool_max.iter().find(|max| !services.insert(&max.service)) {
            let whose = twice.service.as_deref().unwrap_or("every other service");
            return Err(self.wrong("pool_max", &format!("{whose} is given two sizes")));
        }
        Ok(self.options.pool_max.iter().map(|max| (max.service.clone(), max.max)).collect())
    }

    fn doubts(&self) -> Vec<String> {
        let many = self.options.pool_max.iter().filter(|max| max.max > MANY);
        let doubt = |max: &PoolMax| {
            let whose = max.service.as_deref().unwrap_or("every other service");
            let text = format!("{} connections for a pool of {whose}: above {MANY} is seldom meant", max.max);
            self.wrong("pool_max", &text).to_string()
        };
        many.map(doubt).collect()
    }

    fn servers(&self) -> Result<Vec<ServerSettings>, ConfigError> {
        let mut known = BTreeSet::new();
        let twice = self.options.server.iter().find(|server| !known.insert((&server.address, server.port)));
        if let Some(twice) = twice {
            let which = twice.port.map_or("every port".to_owned(), |port| format!("port {}", port.0));
            return Err(self.wrong("server", &format!("{}, {which}, is there twice", twice.address.0)));
        }
        Ok(self.options.server.iter().map(server).collect())
    }
}

fn server(server: &ServerOptions) -> ServerSettings {
    ServerSettings {
        address: server.address.0.clone(),
        port: server.port.map(|port| port.0),
        alias: server.alias.clone(),
        max_connections: server.max_connections.map(|count| count.0),
    }
}
