//! The labels of the series: who a value belongs to, as names and values for the page.
//!
//! Every kind of series ([`super::metrics::Scope`]) gets its labels here and nowhere else, sorted by
//! name, so that equal sets compare equal.

use crate::{event::Process, infer::fact::Labels};

/// A label's name and value.
pub type Label = (&'static str, String);

/// Labels in the order of their names: a series' identity.
pub type LabelSet = Vec<Label>;

/// Labels of a database as one service uses it; `user` adds `db_user`.
pub fn database(labels: &Labels, user: bool) -> LabelSet {
    let mut set = vec![
        ("db_namespace", labels.database.clone()),
        ("db_system_name", "postgresql".to_owned()),
        ("server_address", labels.server_address.clone()),
        ("server_port", labels.server_port.to_string()),
        ("service_name", labels.service.clone()),
    ];
    set.extend(user.then(|| ("db_user", labels.user.clone())));
    set.extend(labels.namespace.clone().map(|namespace| ("k8s_namespace_name", namespace)));
    sorted(set)
}

/// Labels of a pool as one service uses it.
pub fn pool(labels: &Labels, user: bool) -> LabelSet {
    with(database(labels, user), [("db_client_connection_pool_name", labels.pool.clone())])
}

/// Adds what tells one process from another.
pub fn of_process(set: LabelSet, process: &Process) -> LabelSet {
    let mut set = with(set, [("process_pid", process.id.pid.to_string())]);
    set.extend(process.container.clone().map(|container| ("k8s_container_name", container)));
    set.extend(process.pod.clone().map(|pod| ("k8s_pod_name", pod)));
    sorted(set)
}

/// Labels of a server.
pub fn server(address: &str, port: u16) -> LabelSet {
    vec![
        ("db_system_name", "postgresql".to_owned()),
        ("server_address", address.to_owned()),
        ("server_port", port.to_string()),
    ]
}

/// Adds the labels that say which of several values it is.
pub fn with<const N: usize>(mut set: LabelSet, more: [Label; N]) -> LabelSet {
    set.extend(more);
    sorted(set)
}

fn sorted(mut set: LabelSet) -> LabelSet {
    set.sort_unstable();
    set
}
