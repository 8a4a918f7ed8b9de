//! The stack that poolwatch is shipped for: Prometheus, Alertmanager, whoever is woken, and Grafana's dashboards.
//!
//! In come the files of `alerts/`, `deploy/` and `dashboards/` as they are; only addresses and secrets in them are replaced.
//! Prometheus and Alertmanager are the real programs. Nothing here imitates one of them.

pub mod alertmanager;
pub mod breach;
pub mod dashboard;
pub mod prometheus;
pub mod receiver;
pub mod shipped;
