//! The labels of the series: who a value belongs to, as names and values for the page.
//!
//! Every kind of series ([`super::metrics::Scope`]) gets its labels here and nowhere else, sorted by
//! name, so that equal sets compare equal. Series of one pool share theirs: a page has thousands.

use std::{borrow::Cow, cmp::Ordering, iter, sync::Arc};

use crate::{event::Process, infer::fact::Labels};

/// A label's name and value.
pub type Label = (&'static str, String);

/// Labels in the order of their names: who a series belongs to.
pub type LabelSet = Vec<Label>;

/// All labels of a series: those that it shares with others, and those that say which of several values it is.
#[derive(Clone, Debug)]
pub struct Series {
    shared: Arc<LabelSet>,
    own: Vec<(&'static str, Cow<'static, str>)>,
}

impl Series {
    /// Adds a label that says which of several values it is.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.own.push((name, value.into()));
        self.own.sort_unstable();
        self
    }

    /// All labels in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let mut shared = self.shared.iter().map(|(name, value)| (*name, value.as_str())).peekable();
        let mut own = self.own.iter().map(|(name, value)| (*name, value.as_ref())).peekable();
        iter::from_fn(move || match (shared.peek(), own.peek()) {
            (Some(one), Some(other)) if other < one => own.next(),
            (Some(_), _) => shared.next(),
            (None, _) => own.next(),
        })
    }
}

impl From<&Arc<LabelSet>> for Series {
    fn from(shared: &Arc<LabelSet>) -> Self {
        Self { shared: Arc::clone(shared), own: Vec::new() }
    }
}

impl From<LabelSet> for Series {
    fn from(set: LabelSet) -> Self {
        Self { shared: Arc::new(set), own: Vec::new() }
    }
}

impl Ord for Series {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for Series {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Series {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Series {}

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

fn with<const N: usize>(mut set: LabelSet, more: [Label; N]) -> LabelSet {
    set.extend(more);
    sorted(set)
}

fn sorted(mut set: LabelSet) -> LabelSet {
    set.sort_unstable();
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_own_labels_stand_among_those_that_it_shares() {
        let shared = Arc::new(server("10.0.0.5", 5432));
        let series = Series::from(&shared).with("reason", "tls").with("evidence", "uprobe".to_owned());
        let names: Vec<_> = series.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["db_system_name", "evidence", "reason", "server_address", "server_port"]);
        let same = Series::from(with(
            server("10.0.0.5", 5432),
            [("reason", "tls".into()), ("evidence", "uprobe".into())],
        ));
        assert!(series == same);
        assert!(Series::from(&shared) < Series::from(server("10.0.0.6", 5432)));
    }
}
