//! The pools of `/health/pool`, which tells its moment, as a test asks about them.

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::agent::Agent;

/// The whole answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Pools {
    /// `healthy`, `degraded` or `unhealthy`.
    pub status: String,
    /// RFC 3339, with nanoseconds.
    pub timestamp: String,
    /// Pools.
    pub pools: Vec<Pool>,
}

/// One pool.
#[derive(Clone, Debug, Deserialize)]
pub struct Pool {
    /// Stable while it lives.
    pub id: String,
    /// `user@address:port/database`
    pub name: String,
    /// Service.
    pub service: String,
    /// Whose.
    pub process: Owner,
    /// Where to.
    pub server: Server,
    /// How things stand.
    pub connections: Connections,
    /// The size limit, where it is known.
    pub max: Option<Max>,
    /// Borrowers that wait, where there is evidence.
    pub pending: Option<Pending>,
    /// Their waits in the last minute.
    pub wait_seconds: Option<WaitSeconds>,
}

/// A pool's size limit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Max {
    /// Connections.
    pub value: u32,
    /// `configured`, `declared` or `learned`.
    pub source: String,
}

/// How many wait, and how that is known.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Pending {
    /// Borrowers.
    pub value: f64,
    /// Method.
    pub evidence: String,
    /// From 0 to 1.
    pub confidence: f64,
}

/// How long they waited, and how that is known.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct WaitSeconds {
    /// Mean.
    pub mean: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Longest.
    pub max: f64,
    /// Method.
    pub evidence: String,
    /// From 0 to 1.
    pub confidence: f64,
}

/// The process of a pool.
#[derive(Clone, Debug, Deserialize)]
pub struct Owner {
    /// Number.
    pub pid: u32,
    /// Name.
    pub name: String,
}

/// The server of a pool.
#[derive(Clone, Debug, Deserialize)]
pub struct Server {
    /// Address, or directory of the socket.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Database; empty or absent while unknown.
    pub database: Option<String>,
    /// User; empty or absent while unknown.
    pub user: Option<String>,
}

/// Connections by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Connections {
    /// A borrower has them.
    pub used: u32,
    /// Nobody has them.
    pub idle: u32,
    /// Not usable yet.
    pub opening: u32,
    /// Nothing is known yet.
    pub unknown: u32,
    /// Part of used.
    pub idle_in_transaction: u32,
    /// All.
    pub total: u32,
}

impl Connections {
    /// The parts make the whole.
    pub const fn adds_up(&self) -> bool {
        self.used + self.idle + self.opening + self.unknown == self.total
    }
}

impl Agent {
    /// All pools, now.
    pub fn pools(&self) -> Result<Pools> {
        let json = self.json("/health/pool")?;
        serde_json::from_value(json.clone())
            .with_context(|| format!("/health/pool is not as agreed:\n{json:#}"))
    }

    /// The pools of one process, now.
    pub fn pools_of(&self, pid: u32) -> Result<Vec<Pool>> {
        Ok(self.pools()?.pools.into_iter().filter(|pool| pool.process.pid == pid).collect())
    }
}

impl Pools {
    /// The moment that it speaks of, in nanoseconds since the UNIX epoch.
    pub fn at(&self) -> Result<i128> {
        let time: jiff::Timestamp = self.timestamp.parse().context("a timestamp in RFC 3339")?;
        Ok(time.as_nanosecond())
    }

    /// The connections of one process to one database, over all its pools of that name.
    pub fn connections(&self, pid: u32, database: &str) -> Connections {
        let mut sum = Connections::default();
        let of = |pool: &&Pool| pool.process.pid == pid && pool.server.database.as_deref() == Some(database);
        for Connections { used, idle, opening, unknown, idle_in_transaction, total } in
            self.pools.iter().filter(of).map(|pool| pool.connections)
        {
            sum.used += used;
            sum.idle += idle;
            sum.opening += opening;
            sum.unknown += unknown;
            sum.idle_in_transaction += idle_in_transaction;
            sum.total += total;
        }
        sum
    }
}
