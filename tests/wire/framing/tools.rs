//! Rows: what the server's own tools do, by libpq: logins, encryption, pipelines, replication.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use anyhow::{Context as _, Result};
use poolwatch_tests::{
    need,
    need::Feature,
    place,
    postgres::{Way, give_to_postgres, tool},
    process::{self, Process},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::{
    row::{BOTH, Expected, Row, TCP},
    stand::{Stand, Tally},
};

const QUERIES: u64 = 20;
/// Transactions of each of pgbench's clients.
const EACH: u64 = 100;
const CIPHER: &str = "encryption: turns are counted, in a pool without a name";

const LOGINS: &[Row] = &[
    Row::tool("login by password").login("by_password"),
    Row::tool("login by md5").login("by_md5"),
    Row::tool("login by SCRAM").login("by_scram"),
];

const ENCRYPTED: &[Row] = &[
    Row::tool("SSLRequest accepted").over(TCP).expect(Expected::Blind("tls")).note(CIPHER),
    Row::tool("login by certificate").over(TCP).login("by_cert").expect(Expected::Blind("tls")).note(CIPHER),
    Row::tool("login by SCRAM behind encryption")
        .over(TCP)
        .login("by_scram")
        .expect(Expected::Blind("tls"))
        .note(CIPHER),
];

const PIPELINE: Row = Row::tool("pgbench: pipelines of 3 statements");
const LOG: Row = Row::tool("pg_receivewal: a replication connection").expect(Expected::NoPool);

impl Row {
    /// A row of a tool.
    pub const fn tool(item: &'static str) -> Self {
        Self::exact(item, "tool")
    }
}

fn psql(stand: &Stand, way: Way, role: &str, more: &str) -> Result<Command> {
    let mut command = tool("psql")?;
    let address = stand.server.address_of(way, role, "postgres").replace("sslmode=disable", "");
    command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]).arg(format!("{address} {more}"));
    command.env("PGPASSWORD", "secret");
    Ok(command)
}

/// Runs queries by psql and lets the stand watch.
fn queries(stand: &mut Stand, row: Row, way: Way, role: String, command: &mut Command) -> Result<()> {
    let before = stand.pages()?;
    let mut client = Process::start("psql", command)?;
    for _ in 0..QUERIES {
        client.tell("select 1;")?;
    }
    if matches!(row.expected, Expected::Blind(_)) {
        client.tell("\\echo holding")?;
    }
    let tally = format!("{{\"requests\":{QUERIES},\"failed\":0,\"calls\":{QUERIES},\"connections\":1}}");
    client.tell(&format!("\\echo tally '{tally}'"))?;
    stand.watch(row, way, role, client, &before)
}

fn all(stand: &mut Stand, rows: &[Row], more: impl Fn(&Row, &str) -> Result<String>) -> Result<()> {
    for row in rows {
        for way in row.ways {
            let role = stand.role(row.group)?;
            let mut command = psql(stand, *way, &role, &more(row, &role)?)?;
            queries(stand, *row, *way, role, &mut command)?;
        }
    }
    Ok(())
}

#[test]
fn logins() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let mut stand = Stand::start()?;
    all(&mut stand, LOGINS, |_, _| Ok("sslmode=disable gssencmode=disable".to_owned()))?;
    stand.end()
}

/// An authority, the server's certificate by it, and one for each role that wants one.
struct Papers<'d> {
    directory: &'d Path,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl<'d> Papers<'d> {
    fn new(directory: &'d Path) -> Result<Self> {
        let mut parameters = CertificateParams::new(Vec::new())?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "authority");
        let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?;
        fs::write(directory.join("authority.crt"), authority.pem())?;
        Ok(Self { directory, authority })
    }

    /// Writes `name.crt` and `name.key`.
    fn issue(&self, name: &str) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let mut parameters = CertificateParams::new(vec![name.replace('_', "-")])?;
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name);
        let pair = KeyPair::generate()?;
        let certificate = parameters.signed_by(&pair, &self.authority)?;
        fs::write(self.path(name, "crt"), certificate.pem())?;
        fs::write(self.path(name, "key"), pair.serialize_pem())?;
        fs::set_permissions(self.path(name, "key"), fs::Permissions::from_mode(0o600))
            .context("a key's permissions")
    }

    fn path(&self, name: &str, kind: &str) -> String {
        self.directory.join(format!("{name}.{kind}")).display().to_string()
    }
}

#[test]
fn encrypted() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let directory = place::scratch()?;
    let papers = Papers::new(directory.path())?;
    papers.issue("server")?;
    give_to_postgres(Path::new(&papers.path("server", "key")))?;
    let mut stand = Stand::start_with(&[
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", papers.path("server", "crt")),
        format!("ssl_key_file={}", papers.path("server", "key")),
        format!("ssl_ca_file={}", papers.path("authority", "crt")),
    ])?;
    all(&mut stand, ENCRYPTED, |row, role| {
        let mut words = "sslmode=require gssencmode=disable".to_owned();
        if row.group == Some("by_cert") {
            papers.issue(role)?;
            let _ =
                write!(words, " sslcert={} sslkey={}", papers.path(role, "crt"), papers.path(role, "key"));
        }
        Ok(words)
    })?;
    stand.end()
}

#[test]
fn pipelines_of_pgbench() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let mut stand = Stand::start()?;
    let directory = place::scratch()?;
    let script = directory.path().join("pipeline.sql");
    fs::write(&script, "\\startpipeline\nselect 1;\nselect 2 as two;\nselect 3 as three;\n\\endpipeline\n")?;
    for way in BOTH {
        let (role, before) = (stand.role(None)?, stand.pages()?);
        let mut command = tool("pgbench")?;
        command.args(["-n", "-M", "extended", "-c", "4", "-t", &EACH.to_string(), "-f"]).arg(&script);
        command.args([
            "-h",
            &stand.server.host(*way),
            "-p",
            &stand.server.port().to_string(),
            "-U",
            &role,
            "postgres",
        ]);
        process::run("pgbench", &mut command, std::time::Duration::from_mins(1))?.success("pgbench")?;
        // It opens one more connection to look at the server, and asks nothing.
        let tally = Tally { requests: 4 * EACH, failed: 0, calls: 3 * 4 * EACH, connections: 5 };
        stand.keep(PIPELINE, *way, role, tally, &before, Vec::new())?;
    }
    stand.end()
}

#[test]
fn replication() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let mut stand = Stand::start()?;
    let directory = place::scratch()?;
    for way in BOTH {
        let (role, before) = (stand.role(None)?, stand.pages()?);
        let until = stand.server.psql("postgres", "select pg_current_wal_lsn()")?;
        stand.server.psql("postgres", "select pg_switch_wal()")?;
        let mut command = tool("pg_receivewal")?;
        command.arg("-D").arg(directory.path()).args(["--no-loop", &format!("--endpos={until}")]);
        command.args(["-h", &stand.server.host(*way), "-p", &stand.server.port().to_string(), "-U", &role]);
        process::run("pg_receivewal", &mut command, std::time::Duration::from_mins(1))?
            .success("pg_receivewal")?;
        stand.keep(LOG, *way, role, Tally { connections: 1, ..Tally::default() }, &before, Vec::new())?;
    }
    stand.end()
}
