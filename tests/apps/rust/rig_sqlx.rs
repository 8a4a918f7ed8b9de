//! The rig of sqlx's pool: see `truth::server` for what comes in and what goes out.
//!
//! Everything is as the library has it by default: it pings a connection before it lends it out.

use std::{env, time::Duration};

use anyhow::{Context as _, Result};
use poolwatch_tests::truth::server::{self, Counters, Halves, Pool, Refused, number, pause};
use sqlx::{
    Acquire as _, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};

#[derive(Clone)]
struct Sqlx(PgPool);

async fn sleep(connection: &mut PgConnection, seconds: f64) -> Result<()> {
    sqlx::query("select pg_sleep($1)").bind(seconds).execute(connection).await?;
    Ok(())
}

impl Pool for Sqlx {
    type Connection = PoolConnection<Postgres>;

    async fn acquire(&self) -> Result<Self::Connection, Refused> {
        self.0.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => Refused::TimedOut(error.into()),
            _ => Refused::Failed(error.into()),
        })
    }

    async fn sleep(connection: &mut Self::Connection, seconds: f64) -> Result<()> {
        sleep(connection, seconds).await
    }

    async fn transaction(connection: &mut Self::Connection, halves: Halves) -> Result<()> {
        let mut transaction = connection.begin().await?;
        sleep(&mut transaction, halves.seconds).await?;
        pause(halves.gap).await;
        sleep(&mut transaction, halves.seconds).await?;
        Ok(transaction.commit().await?)
    }

    /// As its own drop does it: in a task that pings the connection before it is idle.
    fn give_back(mut connection: Self::Connection, done: impl FnOnce() + Send + 'static) {
        let returned = connection.return_to_pool();
        tokio::spawn(async move {
            returned.await;
            done();
        });
    }

    fn counters(&self) -> Counters {
        let (total, idle) = (self.0.size() as usize, self.0.num_idle());
        // Its counter of idle ones goes below zero for moments, and wraps.
        let idle = Some(idle).filter(|idle| *idle <= total);
        [idle.map(|idle| total - idle), idle, None, Some(total)]
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let options = PgConnectOptions::new_without_pgpass()
        .host(&env::var("PGHOST")?)
        .port(env::var("PGPORT")?.parse().context("a port")?)
        .username(&env::var("PGUSER")?)
        .database(&env::var("PGDATABASE")?)
        .ssl_mode(env::var("PGSSLMODE").map_or(Ok(PgSslMode::Disable), |mode| mode.parse())?);
    let pool = PgPoolOptions::new()
        .max_connections(number("POOL", 10))
        .acquire_timeout(Duration::from_millis(number("ACQUIRE_TIMEOUT_MS", 30_000).into()))
        .connect_lazy_with(options);
    server::serve(Sqlx(pool)).await
}
