//! Speaks through tokio-postgres over TLS, in steps that the test tells: `open`, `bind`, `run`, `end`. Its argument is the library:
//! `native` or `rustls`. The address comes from PG* variables. After each step its name is printed.

mod tls;

use std::{
    env,
    io::{self, BufRead as _},
};

use anyhow::{Context as _, Result, bail};
use futures_util::future::{join_all, try_join_all};
use poolwatch_tests::wire::own;
use tokio_postgres::{Client, Config, config::SslMode};

const ROWS: u32 = 20_000;
const EACH: i32 = 100;

async fn open() -> Result<Client> {
    let mut config = Config::new();
    config.host(own::variable("PGHOST")?).port(own::variable("PGPORT")?.parse()?);
    config.user(own::variable("PGUSER")?).dbname(own::variable("PGDATABASE")?);
    config.password(own::variable("PGPASSWORD")?).ssl_mode(SslMode::Require);
    if env::args().nth(1).as_deref() == Some("rustls") {
        let (client, connection) = config.connect(tls::rustls()?).await?;
        tokio::spawn(connection);
        return Ok(client);
    }
    let (client, connection) = config.connect(tls::native()?).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn work(client: &Client) -> Result<()> {
    for number in 0..EACH {
        client.query("select $1::int + 1", &[&number]).await?;
        client.query("select 'planted literal', 2", &[]).await?;
    }
    client.query(&format!("select * from generate_series(1, {ROWS})"), &[]).await?;
    Ok(())
}

async fn run(first: &Client) -> Result<()> {
    let later = try_join_all([open(), open(), open()]).await?;
    let all = later.iter().chain([first]).map(work);
    join_all(all).await.into_iter().collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut first = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.as_str() {
            "open" => {
                let client = open().await?;
                client.query("select 'opened'", &[]).await?;
                first = Some(client);
            }
            "bind" => {
                for _ in 0..5 {
                    first.as_ref().context("open first")?.query("select 'bound'", &[]).await?;
                }
            }
            "run" => run(first.as_ref().context("open first")?).await?,
            "end" => drop(first.take()),
            other => bail!("unknown step {other}"),
        }
        println!("{line}");
    }
    Ok(())
}
