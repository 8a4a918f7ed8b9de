//! What a user may set that changes the inference. Saved in every recording.

use serde::{Deserialize, Serialize};

use crate::event::{SECOND, Time};

/// The core's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// A request that takes longer is slow.
    pub slow_threshold: Time,
    /// Utilization at which a pool's status is `warning`.
    pub warn_utilization: f64,
    /// Utilization at which a pool's status is `critical`.
    pub critical_utilization: f64,
    /// Configured sizes of pools: the service that a size is for (`None` = every other), and the size.
    pub pool_max: Vec<(Option<String>, u32)>,
    /// Aliases and limits of servers.
    pub servers: Vec<ServerSettings>,
}

/// One `[[server]]` of the config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSettings {
    /// IP address, or directory of the UNIX socket.
    pub address: String,
    /// Port; `None` = every port of that address.
    pub port: Option<u16>,
    /// Name that stands for the address in labels.
    pub alias: Option<String>,
    /// The server's `max_connections`.
    pub max_connections: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            slow_threshold: SECOND / 10,
            warn_utilization: 0.80,
            critical_utilization: 0.95,
            pool_max: Vec::new(),
            servers: Vec::new(),
        }
    }
}
