//! The one table of metrics: name, kind, unit, labels and help of everything on `/metrics`.
//!
//! Whoever renders, documents or checks a metric refers to this table; nothing here holds a value.
//! Names and labels are the contract's: dashboards and alerts of other people rest on them.

/// What a metric's samples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the agent runs.
    Counter,
    /// How things stand.
    Gauge,
    /// Durations in the buckets of [`super::histogram`].
    Histogram,
    /// Durations, as their count and sum alone.
    Summary,
}

/// What a number counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things of the kind that the name says.
    Count,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A share of 1.
    Ratio,
    /// Always 1, or 1 and 0: the labels speak.
    Info,
}

/// Which labels every sample of a metric carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The agent itself: none.
    Agent,
    /// A server.
    Server,
    /// A database as one service uses it.
    Database,
    /// A pool as one service uses it, over all its processes.
    Pool,
    /// A pool of one process.
    ProcessPool,
    /// A database as one process uses it.
    Process,
}

impl Scope {
    /// The labels that are always there.
    pub const fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Agent => &[],
            Self::Server => &["db_system_name", "server_address", "server_port"],
            Self::Database => {
                &["db_namespace", "db_system_name", "server_address", "server_port", "service_name"]
            }
            Self::Pool => &[
                "db_client_connection_pool_name",
                "db_namespace",
                "db_system_name",
                "server_address",
                "server_port",
                "service_name",
            ],
            Self::ProcessPool => &[
                "db_client_connection_pool_name",
                "db_namespace",
                "db_system_name",
                "process_pid",
                "server_address",
                "server_port",
                "service_name",
            ],
            Self::Process => &[
                "db_namespace",
                "db_system_name",
                "process_pid",
                "server_address",
                "server_port",
                "service_name",
            ],
        }
    }

    /// The labels that are there where their value is known, or where the user asked for them.
    pub const fn optional(self) -> &'static [&'static str] {
        match self {
            Self::Agent | Self::Server => &[],
            Self::Database | Self::Pool => &["db_user", "k8s_namespace_name"],
            Self::ProcessPool | Self::Process => {
                &["db_user", "k8s_container_name", "k8s_namespace_name", "k8s_pod_name"]
            }
        }
    }
}

/// One row of the table.
#[derive(Debug)]
pub struct Metric {
    /// Name on the page.
    pub name: &'static str,
    /// Kind.
    pub kind: Kind,
    /// Unit of its values.
    pub unit: Unit,
    /// Labels that say whose value it is.
    pub scope: Scope,
    /// Labels that say which of several values it is.
    pub labels: &'static [&'static str],
    /// The page's help text.
    pub help: &'static str,
}

/// Every label that poolwatch itself sets: a constant label may have none of these names.
pub fn own_labels() -> impl Iterator<Item = &'static str> {
    let of_rows = ALL.iter().flat_map(|metric| {
        let scope = metric.scope;
        metric.labels.iter().chain(scope.labels()).chain(scope.optional()).copied()
    });
    of_rows.chain(["le", "quantile"])
}

macro_rules! table {
    ($($word:ident: $kind:ident $name:literal $unit:ident of $scope:ident [$($label:literal),*] $help:literal)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub static $word: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                unit: Unit::$unit,
                scope: Scope::$scope,
                labels: &[$($label),*],
                help: $help,
            };
        )*
        /// Every metric, in the order of this file.
        pub static ALL: &[&Metric] = &[$(&$word),*];
    };
}

table! {
    CONNECTION_COUNT: Gauge "db_client_connection_count" Count of ProcessPool ["db_client_connection_state"]
        "Connections of the pool that are in the state given by db_client_connection_state."
    CONNECTION_MAX: Gauge "db_client_connection_max" Count of ProcessPool ["poolwatch_source"]
        "Most connections that the pool may open; poolwatch_source says how that is known. Absent while unknown."
    CONNECTION_IDLE_MIN: Gauge "db_client_connection_idle_min" Count of ProcessPool []
        "Idle connections that the pool keeps at least, as the process declares it. Absent where it declares none."
    PENDING: Gauge "db_client_connection_pending_requests" Count of ProcessPool []
        "Requests inside the process that wait for a connection, as inferred from outside."
    CREATE_TIME: Histogram "db_client_connection_create_time_seconds" Seconds of Pool []
        "Time from connect() until the new connection was ready for its first query."
    WAIT_TIME: Histogram "db_client_connection_wait_time_seconds" Seconds of Pool []
        "Time that borrowers waited for a connection, as inferred from outside; 0 when they did not wait."
    USE_TIME: Histogram "db_client_connection_use_time_seconds" Seconds of Pool []
        "Time between borrowing a connection and giving it back."
    TIMEOUTS: Counter "db_client_connection_timeouts_total" Count of Pool []
        "Borrowers that gave up waiting for a connection, where evidence shows it."
    OPERATION_DURATION: Histogram "db_client_operation_duration_seconds" Seconds of Database ["db_operation_name", "error_type"]
        "Time from a request's first byte sent until the server was ready for the next one; error_type is the SQLSTATE, empty without error."
    FIRST_BYTE: Histogram "poolwatch_operation_first_byte_seconds" Seconds of Database []
        "Time from a request's first byte sent until the first byte of its answer was read."
    SLOW_QUERIES: Counter "poolwatch_slow_queries_total" Count of Database []
        "Requests that took longer than the slow threshold."
    QUERY_DURATION: Summary "poolwatch_query_duration_seconds" Seconds of Database ["db_query_summary", "fingerprint"]
        "Duration of the statements of each of the queries on which the most time is spent, counted from its entering on; other has all further statements."
    UTILIZATION: Gauge "poolwatch_pool_utilization_ratio" Ratio of ProcessPool []
        "Used connections divided by the most that the pool may open. Absent while that is unknown."
    OPENING: Gauge "poolwatch_pool_opening_connections" Count of ProcessPool []
        "Connections of the pool between connect() and being ready for the first query."
    UNKNOWN: Gauge "poolwatch_pool_unknown_connections" Count of ProcessPool []
        "Connections of the pool whose state is not established yet: older than the agent, or after a loss."
    IDLE_IN_TRANSACTION: Gauge "poolwatch_pool_idle_in_transaction_connections" Count of ProcessPool []
        "Used connections of the pool that are in a transaction while no request is in flight."
    OLDEST_LEASE: Gauge "poolwatch_pool_oldest_lease_seconds" Seconds of ProcessPool []
        "Age of the pool's oldest borrowing that has not ended; 0 when all connections are idle."
    EVIDENCE: Gauge "poolwatch_pool_wait_evidence_info" Info of ProcessPool ["of", "evidence"]
        "Always 1; the label evidence names the method that the value named by the label of rests on."
    CONFIDENCE: Gauge "poolwatch_pool_wait_confidence_ratio" Ratio of ProcessPool ["of"]
        "How far to trust the inferred value named by the label of, from 0 to 1."
    LIFETIME: Counter "poolwatch_pool_lifetime_seconds_total" Seconds of Pool []
        "Time that the service's pools have existed, summed over its processes."
    USED_SECONDS: Counter "poolwatch_pool_used_connection_seconds_total" Seconds of Pool []
        "Time that connections were used, summed over connections: its rate is the mean number of used ones."
    PENDING_SECONDS: Counter "poolwatch_pool_pending_request_seconds_total" Seconds of Pool []
        "Time that requests waited for a connection, summed over requests, as inferred from outside."
    SATURATED_SECONDS: Counter "poolwatch_pool_saturated_seconds_total" Seconds of Pool []
        "Time that pools of the service had all their connections used."
    CONNECTION_ERRORS: Counter "poolwatch_connection_errors_total" Count of Database ["error_type"]
        "Connections that could not be made or were lost, by reason."
    OPENED: Counter "poolwatch_connections_opened_total" Count of Database []
        "Connections that were opened."
    CLOSED: Counter "poolwatch_connections_closed_total" Count of Database []
        "Connections that ended."
    SERVER_MAX: Gauge "poolwatch_server_max_connections" Count of Server []
        "The server's max_connections as the configuration gives it."
    EVENTS: Counter "poolwatch_events_total" Count of Agent []
        "Records that the agent took from the kernel."
    EVENTS_LOST: Counter "poolwatch_events_lost_total" Count of Agent ["where"]
        "Records, connections or series that did not fit, by the place where they were lost."
    UNPARSED: Counter "poolwatch_unparsed_total" Count of Agent ["reason"]
        "Messages, and names of containers, that could not be read, by reason."
    PROBE_ATTACHED: Gauge "poolwatch_probe_attached" Info of Agent ["probe"]
        "1 when the probe is attached, else 0; /health/details says why."
    BLIND: Gauge "poolwatch_process_blind" Info of Process ["reason"]
        "1 while a part of the process's traffic cannot be read for the reason given."
    BUILD_INFO: Gauge "poolwatch_build_info" Info of Agent ["version", "architecture"]
        "Always 1; the labels say which poolwatch this is."
    OWN_CPU: Counter "process_cpu_seconds_total" Seconds of Agent []
        "Processor time that the agent itself has used, in user and kernel mode."
    OWN_RESIDENT: Gauge "process_resident_memory_bytes" Bytes of Agent []
        "Resident memory of the agent itself."
    OWN_VIRTUAL: Gauge "process_virtual_memory_bytes" Bytes of Agent []
        "Virtual memory of the agent itself."
    OWN_DESCRIPTORS: Gauge "process_open_fds" Count of Agent []
        "File descriptors that the agent itself has open."
    OWN_DESCRIPTORS_MAX: Gauge "process_max_fds" Count of Agent []
        "Most file descriptors that the agent itself may open."
    OWN_START: Gauge "process_start_time_seconds" Seconds of Agent []
        "Start of the agent itself, in seconds since the UNIX epoch."
    OWN_THREADS: Gauge "process_threads" Count of Agent []
        "Threads of the agent itself."
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_name_is_there_once_and_says_its_kind() {
        let names: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }

    #[test]
    fn the_unit_is_in_the_name() {
        for metric in ALL {
            let suffix = match metric.unit {
                Unit::Seconds => "_seconds",
                Unit::Bytes => "_bytes",
                Unit::Ratio => "_ratio",
                Unit::Count | Unit::Info => continue,
            };
            assert!(metric.name.trim_end_matches("_total").ends_with(suffix), "{}", metric.name);
        }
    }
}
