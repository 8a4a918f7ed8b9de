//! The rig of deadpool-postgres: see `truth::server` for what comes in and what goes out.

use std::{env, time::Duration};

use anyhow::{Context as _, Result};
use deadpool_postgres::{GenericClient, Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime};
use poolwatch_tests::truth::server::{self, Counters, Halves, Pool, Refused, number, pause};
use tokio_postgres::{Config, NoTls};

#[derive(Clone)]
struct Deadpool(deadpool_postgres::Pool);

async fn sleep(client: &impl GenericClient, seconds: f64) -> Result<()> {
    let statement = client.prepare_cached("select pg_sleep($1)").await?;
    client.query(&statement, &[&seconds]).await?;
    Ok(())
}

impl Pool for Deadpool {
    type Connection = Object;

    async fn acquire(&self) -> Result<Object, Refused> {
        self.0.get().await.map_err(|error| match error {
            PoolError::Timeout(_) => Refused::TimedOut(error.into()),
            _ => Refused::Failed(error.into()),
        })
    }

    async fn sleep(connection: &mut Object, seconds: f64) -> Result<()> {
        sleep(&*connection, seconds).await
    }

    async fn transaction(connection: &mut Object, halves: Halves) -> Result<()> {
        let transaction = connection.transaction().await?;
        sleep(&transaction, halves.seconds).await?;
        pause(halves.gap).await;
        sleep(&transaction, halves.seconds).await?;
        Ok(transaction.commit().await?)
    }

    fn counters(&self) -> Counters {
        let own = self.0.status();
        // A borrower that waits is taken from what is available.
        let used = own.size.saturating_sub(own.available);
        [Some(used), Some(own.available), Some(own.waiting), Some(own.size)]
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let mut config = Config::new();
    config
        .host(env::var("PGHOST")?)
        .port(env::var("PGPORT")?.parse().context("a port")?)
        .user(env::var("PGUSER")?)
        .dbname(env::var("PGDATABASE")?);
    let manager =
        Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    let patience = Duration::from_millis(number("ACQUIRE_TIMEOUT_MS", 30_000).into());
    let pool = deadpool_postgres::Pool::builder(manager)
        .max_size(number("POOL", 10) as usize)
        .wait_timeout(Some(patience))
        .runtime(Runtime::Tokio1)
        .build()?;
    server::serve(Deadpool(pool)).await
}
