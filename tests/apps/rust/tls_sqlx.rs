//! Speaks through sqlx over rustls, in steps that the test tells: `open`, `bind`, `run`, `end`. The address comes from PG* variables.
//! After each step its name is printed. `run` opens a pool's connections all at once, on several threads.

use std::io::{self, BufRead as _};

use anyhow::{Context as _, Result, bail};
use futures_util::future::try_join_all;
use poolwatch_tests::wire::own;
use sqlx::{
    PgConnection, PgPool, Row as _,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode, Postgres},
};
use tokio::task::JoinHandle;

const ROWS: i32 = 20_000;
const EACH: i32 = 100;
const CONNECTIONS: u32 = 10;

async fn pool(most: u32) -> Result<PgPool> {
    let options = PgConnectOptions::new_without_pgpass()
        .host(&own::variable("PGHOST")?)
        .port(own::variable("PGPORT")?.parse()?)
        .username(&own::variable("PGUSER")?)
        .password(&own::variable("PGPASSWORD")?)
        .database(&own::variable("PGDATABASE")?)
        .ssl_mode(PgSslMode::Require);
    Ok(PgPoolOptions::new().max_connections(most).min_connections(0).connect_with(options).await?)
}

async fn ask(connection: &mut PgConnection, text: &'static str) -> Result<()> {
    sqlx::query(text).fetch_all(connection).await?;
    Ok(())
}

async fn work(connection: &mut PgConnection) -> Result<()> {
    for number in 0..EACH {
        let row = sqlx::query("select $1::int + 1").bind(number).fetch_one(&mut *connection).await?;
        anyhow::ensure!(row.get::<i32, _>(0) == number + 1, "another's answer");
        ask(connection, "select 'planted literal', 2").await?;
    }
    let rows = sqlx::query("select * from generate_series(1, $1)").bind(ROWS).fetch_all(connection).await?;
    anyhow::ensure!(rows.len() == usize::try_from(ROWS)?, "{} rows", rows.len());
    Ok(())
}

async fn run(first: &PgPool) -> Result<()> {
    let later = pool(CONNECTIONS).await?;
    let held: Vec<PoolConnection<Postgres>> = try_join_all((0..CONNECTIONS).map(|_| later.acquire())).await?;
    let each = held.into_iter().chain([first.acquire().await?]);
    let tasks = each.map(|mut connection| -> JoinHandle<Result<()>> {
        tokio::spawn(async move { work(&mut connection).await })
    });
    for done in try_join_all(tasks.collect::<Vec<_>>()).await? {
        done?;
    }
    later.close().await;
    Ok(())
}

#[tokio::main(worker_threads = 4)]
async fn main() -> Result<()> {
    let mut first = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.as_str() {
            "open" => {
                let pool = pool(1).await?;
                ask(&mut *pool.acquire().await?, "select 'opened'").await?;
                first = Some(pool);
            }
            "bind" => {
                for _ in 0..5 {
                    let pool = first.as_ref().context("open first")?;
                    ask(&mut *pool.acquire().await?, "select 'bound'").await?;
                }
            }
            "run" => run(first.as_ref().context("open first")?).await?,
            "end" => first.take().context("open first")?.close().await,
            other => bail!("unknown step {other}"),
        }
        println!("{line}");
    }
    Ok(())
}
