//! One pool: the connections of one process to one server, database and user, counted by state.
//!
//! In come connections that enter, move and leave, answered requests and time; out go facts and a
//! [`PoolSnapshot`]. Counts are kept with each move, so that nothing scans connections per event.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    churn::Churn,
    connection::{Connection, End, Moved, Standing},
    fact::{Fact, Labels, Status},
    hidden::Hidden,
    integral::Integral,
    key::PoolKey,
    lease::Current,
    saturation::Saturation,
    settings::Settings,
    size::Size,
    snapshot::{Connections, MaxSource, Requests},
    status::{self, Grounds, Reason},
    wait::{Elapsed, Tally, Waiting},
    window::{Sums, WINDOW, Window},
};
use crate::event::{Process, SECOND, SocketId, Time};

/// One pool.
#[derive(Debug)]
pub struct Pool {
    /// What makes its members one pool.
    pub key: PoolKey,
    /// [`PoolKey::id`].
    pub id: u64,
    /// Labels of its series.
    pub labels: Arc<Labels>,
    /// Its process.
    pub process: Arc<Process>,
    /// Members.
    pub sockets: BTreeSet<SocketId>,
    /// Members' leases that go on.
    pub current: Current,
    /// Members by state.
    pub counts: Connections,
    /// Members that are hidden, by what hides them.
    pub hidden: Hidden,
    /// Its size limit, where known.
    pub max: Option<(u32, MaxSource)>,
    /// What that limit rests on.
    pub size: Size,
    /// Connections that were opened for one borrower.
    pub churn: Churn,
    /// Its server's `max_connections`, where known.
    pub allowed: Option<u32>,
    /// Since when it has had no member.
    pub empty_since: Option<Time>,
    /// Since when some connection or other has been idle, without a break.
    pub idle_since: Option<Time>,
    /// What is known of waits.
    pub waiting: Waiting,
    /// Waits of the last minute.
    pub tally: Tally,
    /// Connections that are lent although nothing on the wire says so.
    pub silent: u32,
    /// To be told with the next integrals.
    pub unsaid: Elapsed,
    born: Time,
    told_until: Time,
    seen: bool,
    used: Integral,
    saturation: Option<Saturation>,
    window: Window<Sums>,
    requests: u64,
    status: Status,
}

impl Pool {
    /// A pool without members.
    pub fn new(key: PoolKey, settings: &Settings, process: &Arc<Process>, at: Time) -> Self {
        let labels = Labels::new(process, &key.server, &key.database, &key.user);
        let mut pool = Self {
            id: key.id(),
            allowed: settings.allowed_at(&key.server),
            key,
            labels: Arc::new(labels),
            process: Arc::clone(process),
            sockets: BTreeSet::new(),
            current: Current::default(),
            counts: Connections::default(),
            hidden: Hidden::default(),
            max: None,
            size: Size::new(settings, process),
            churn: Churn::default(),
            empty_since: Some(at),
            idle_since: None,
            waiting: Waiting::default(),
            tally: Tally::default(),
            silent: 0,
            unsaid: Elapsed::default(),
            born: at,
            told_until: at,
            seen: false,
            used: Integral::default(),
            saturation: None,
            window: Window::default(),
            requests: 0,
            status: Status::Normal,
        };
        pool.resize(at);
        pool
    }

    /// Its process has new facts; `facts` receives what belongs to the old labels.
    pub fn rename(&mut self, settings: &Settings, process: &Arc<Process>, at: Time, facts: &mut Vec<Fact>) {
        self.tick(at, facts);
        let key = &self.key;
        self.labels = Arc::new(Labels::new(process, &key.server, &key.database, &key.user));
        self.process = Arc::clone(process);
        self.seen = false;
        self.size.prepare(settings, process);
        self.resize(at);
    }

    /// The limit that another process of its service has shown.
    pub fn inherit(&mut self, limit: u32, at: Time) {
        self.size.inherit(limit);
        self.resize(at);
    }

    /// Looks at how it stands; an older moment counts as the last one.
    fn observe(&mut self, at: Time) {
        self.idle_since = (self.counts.idle > 0).then(|| self.idle_since.unwrap_or(at));
        if self.size.observe(at, &self.counts, &self.waiting) {
            self.resize(at);
        }
    }

    fn resize(&mut self, at: Time) {
        let max = self.size.max();
        if self.max != max {
            self.saturation = max.map(|(size, _)| Saturation::new(size, self.counts.used, at));
            self.max = max;
        }
    }

    /// A connection becomes a member.
    pub fn enter(&mut self, socket: SocketId, connection: &Connection) {
        self.sockets.insert(socket);
        self.count(connection.standing(), 1);
        self.counts.total += 1;
        self.empty_since = None;
        if let Some(reason) = connection.hidden {
            self.hidden.hide(reason);
        }
        if let Some(from) = connection.used_from() {
            self.begin(from);
        }
        self.observe(connection.born);
    }

    /// A member leaves; `used` = from when till when it was used here.
    pub fn leave(&mut self, socket: SocketId, connection: &Connection, used: Option<End>, at: Time) {
        if !self.sockets.remove(&socket) {
            return;
        }
        self.count(connection.standing(), -1);
        self.counts.total = self.counts.total.saturating_sub(1);
        if let Some(reason) = connection.hidden {
            self.hidden.show(reason);
        }
        if let Some(end) = used {
            self.end(end);
        }
        if self.sockets.is_empty() {
            self.empty_since = Some(at);
        }
        self.observe(at);
    }

    /// A member's state moved.
    pub fn follow(&mut self, moved: &Moved) {
        self.count(moved.from, -1);
        self.count(moved.to, 1);
        if let Some(begin) = moved.began {
            self.begin(begin.at);
        }
        if let Some(end) = moved.ended {
            self.end(end);
        }
        let began = moved.began.map(|begin| begin.at);
        self.observe(moved.ended.map(|end| end.at).or(began).unwrap_or(0));
    }

    /// A member's request was answered at `at`.
    pub fn answered(&mut self, at: Time, sums: &Sums) {
        self.requests = self.requests.saturating_add(sums.requests);
        self.window.add(at, sums);
    }

    /// When the oldest lease of its used connections began.
    pub fn oldest_lease(&self) -> Option<Time> {
        self.current.oldest().filter(|_| self.counts.used > 0)
    }

    /// A member's lease of such a length ended, as is known since `now`.
    pub fn lease(&mut self, took: Time, now: Time, facts: &mut Vec<Fact>) {
        self.churn.lease(now);
        self.announce(facts);
        facts.push(Fact::Lease { labels: Arc::clone(&self.labels), took });
    }

    /// Its counters are about to be touched: they begin at 0.
    pub fn announce(&mut self, facts: &mut Vec<Fact>) {
        if !std::mem::replace(&mut self.seen, true) {
            facts.push(Fact::Seen(Arc::clone(&self.labels)));
        }
    }

    /// Time passed. A pool whose connections have not said who they are is not announced by time alone.
    pub fn tick(&mut self, at: Time, facts: &mut Vec<Fact>) {
        self.observe(at);
        let nameless = !self.key.is_identified() && self.counts.opening == self.counts.total;
        if self.seen || !nameless {
            self.elapse(at, facts);
        }
    }

    /// It ends: what is left to tell.
    pub fn finish(&mut self, at: Time, facts: &mut Vec<Fact>) {
        if let Some(saturation) = &mut self.saturation {
            saturation.sweep(at);
        }
        self.tick(at, facts);
    }

    fn elapse(&mut self, at: Time, facts: &mut Vec<Fact>) {
        let saturated = self.saturation.as_mut().map_or(0, |saturation| {
            saturation.tick(at);
            saturation.take()
        });
        let lifetime = at.saturating_sub(self.told_until);
        let Elapsed { pending, silent } = std::mem::take(&mut self.unsaid);
        let used = self.used.take(at).saturating_add(silent);
        self.told_until = self.told_until.max(at);
        if lifetime == 0 && used == 0 && saturated == 0 && pending == 0 {
            return;
        }
        self.announce(facts);
        facts.push(Fact::Elapsed { labels: Arc::clone(&self.labels), lifetime, used, pending, saturated });
    }

    /// Beginnings that came too late to be put in order, since the last call.
    pub fn take_late(&mut self) -> u64 {
        self.saturation.as_mut().map_or(0, Saturation::take_late)
    }

    /// Members by state; one that is lent silently is used.
    pub const fn standing(&self) -> Connections {
        let mut counts = self.counts;
        let silent = if self.silent < counts.idle { self.silent } else { counts.idle };
        counts.used += silent;
        counts.idle -= silent;
        counts
    }

    /// used / max, where max is known, and of some connection whether it is used: of hidden ones nobody knows.
    pub fn utilization(&self) -> Option<f64> {
        let standing = self.standing();
        let hidden = standing.unknown > 0 && standing.used + standing.idle + standing.opening == 0;
        let (size, _) = self.max.filter(|_| !hidden)?;
        Some(f64::from(standing.used) / f64::from(size.max(1)))
    }

    /// Its status at `now`, and why.
    pub fn judge(&self, settings: &Settings, now: Time) -> (Status, Reason) {
        let recent = self.window.sums(now);
        let utilization = self.utilization();
        status::judge(settings, &Grounds { utilization, waiting: self.waiting, recent, now })
    }

    /// Tells a change of its status.
    pub fn rejudge(&mut self, settings: &Settings, now: Time, facts: &mut Vec<Fact>) {
        let (to, reason) = self.judge(settings, now);
        let from = std::mem::replace(&mut self.status, to);
        if from != to {
            let (labels, pid) = (Arc::clone(&self.labels), self.key.process.pid);
            facts.push(Fact::StatusChanged { labels, pid, from, to, reason: reason.to_string() });
        }
    }

    /// Its requests at `now`. A rate is over as much of the last 60 s as the pool has lived, at least 1 s.
    pub fn requests(&self, now: Time) -> Requests {
        let recent = self.window.sums(now);
        let lived = now.saturating_sub(self.born).clamp(SECOND, WINDOW * SECOND);
        Requests {
            total: self.requests,
            per_second: recent.requests as f64 * SECOND as f64 / lived as f64,
            mean_seconds: recent.mean_seconds(),
            slow: recent.slow,
            errors: recent.errors,
            error_ratio: recent.error_ratio(),
        }
    }

    fn begin(&mut self, at: Time) {
        self.used.begin(at);
        if let Some(saturation) = &mut self.saturation {
            saturation.begin(at);
        }
    }

    fn end(&mut self, end: End) {
        self.used.end(end.begun, end.at);
        if let Some(saturation) = &mut self.saturation {
            saturation.end(end.at);
        }
    }

    fn count(&mut self, standing: Standing, step: i32) {
        let counts = &mut self.counts;
        let add = |count: &mut u32| *count = count.saturating_add_signed(step);
        match standing {
            Standing::Opening => add(&mut counts.opening),
            Standing::Unknown => add(&mut counts.unknown),
            Standing::Idle => add(&mut counts.idle),
            Standing::Used => add(&mut counts.used),
            Standing::IdleInTransaction => {
                add(&mut counts.used);
                add(&mut counts.idle_in_transaction);
            }
        }
    }
}
