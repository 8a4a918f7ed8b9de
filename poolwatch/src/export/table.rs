//! A bounded table of series that forgets what nobody uses any more.
//!
//! Rows are found by an id that is never given twice, so an old id finds nothing rather than
//! another's row. Whether a row has run out depends on its own last use alone, not on when somebody
//! looked: a replay forgets exactly what the live run forgot. Rows are shared with who renders them: one that is
//! counted in meanwhile is copied, so that what was handed out stays as it was.

use std::sync::Arc;

use super::labels::LabelSet;
use crate::event::{HashMap, SECOND, Time};

/// How long a series lives after its last use.
pub const LIFE: Time = 3600 * SECOND;

/// A series that was used within this time belongs to something that is alive: it makes no room.
pub const ALIVE: Time = 30 * SECOND;

/// Who the series of a row belong to: service and Kubernetes namespace.
pub type Service = (String, Option<String>);

#[derive(Debug)]
struct Row<S> {
    service: Service,
    labels: Arc<LabelSet>,
    used: Time,
    series: Arc<S>,
}

/// Labels and series of rows, as they stood when they were handed out.
pub type Rows<S> = Vec<(Arc<LabelSet>, Arc<S>)>;

/// Series by their labels.
#[derive(Debug)]
pub struct Table<S> {
    rows: HashMap<u64, Row<S>>,
    ids: HashMap<Arc<LabelSet>, u64>,
    next: u64,
    bound: usize,
}

impl<S: Clone + Default> Table<S> {
    /// An empty table for at most `bound` rows.
    pub fn new(bound: usize) -> Self {
        Self { rows: HashMap::default(), ids: HashMap::default(), next: 0, bound }
    }

    /// The series of a row, marked as used; after its life has run out it begins at 0 again.
    pub fn get(&mut self, id: u64, now: Time) -> Option<&mut S> {
        let row = self.rows.get_mut(&id)?;
        if run_out(row.used, now) {
            row.series = Arc::default();
        }
        row.used = row.used.max(now);
        Some(Arc::make_mut(&mut row.series))
    }

    /// The id of the row with these labels, made if there is none; `None` when there is no room.
    pub fn id(&mut self, service: &Service, labels: LabelSet, now: Time) -> Option<u64> {
        if let Some(id) = self.ids.get(&labels) {
            return Some(*id);
        }
        if !self.fits(&labels) {
            return None;
        }
        let id = self.next;
        self.next += 1;
        let labels = Arc::new(labels);
        self.ids.insert(Arc::clone(&labels), id);
        self.rows.insert(id, Row { service: service.clone(), labels, used: now, series: Arc::default() });
        Some(id)
    }

    /// Whether the row is still there.
    pub fn has(&self, id: u64) -> bool {
        self.rows.contains_key(&id)
    }

    /// Forgets the rows whose life has run out.
    pub fn sweep(&mut self, now: Time) {
        self.keep(|row| !run_out(row.used, now));
    }

    /// Forgets the rows of a service.
    pub fn forget(&mut self, service: &Service) {
        self.keep(|row| row.service != *service);
    }

    /// Whether a row with these labels is there or may come.
    pub fn fits(&self, labels: &LabelSet) -> bool {
        self.rows.len() < self.bound || self.ids.contains_key(labels)
    }

    /// If the table is full, forgets its longest unused row, unless that is alive. Gives the number of rows lost.
    pub fn make_room(&mut self, now: Time) -> u64 {
        let full = self.rows.len() >= self.bound;
        let oldest = self.rows.values().filter(|_| full).min_by_key(|row| (row.used, &row.labels));
        let Some(oldest) = oldest.filter(|row| !alive(row.used, now)) else { return 0 };
        let labels = Arc::clone(&oldest.labels);
        self.keep(|row| row.labels != labels);
        1
    }

    fn keep(&mut self, wanted: impl Fn(&Row<S>) -> bool) {
        self.rows.retain(|_, row| wanted(row));
        let rows = &self.rows;
        self.ids.retain(|_, id| rows.contains_key(id));
    }

    /// Each row's service and last use.
    pub fn uses(&self) -> impl Iterator<Item = (&Service, Time)> {
        self.rows.values().map(|row| (&row.service, row.used))
    }

    /// Each row's labels and series, but those whose life has run out.
    pub fn live(&self, now: Time) -> Rows<S> {
        let rows = self.rows.values().filter(|row| !run_out(row.used, now));
        rows.map(|row| (Arc::clone(&row.labels), Arc::clone(&row.series))).collect()
    }
}

/// Whether something was used so long ago that it is forgotten.
pub const fn run_out(used: Time, now: Time) -> bool {
    now.saturating_sub(used) > LIFE
}

/// Whether something was used so lately that it still runs.
pub const fn alive(used: Time, now: Time) -> bool {
    now.saturating_sub(used) < ALIVE
}
