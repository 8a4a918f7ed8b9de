//! The server's own books of a run: its log and `pg_stat_statements`, by fingerprint.
//!
//! The log tells every statement that ended well, so it is what a client-side count must equal. The
//! statistics leave some out by rules of their own; [`Books::expected`] applies these rules to the log, and
//! must equal the statistics to the last call. So both books vouch for each other, and no difference
//! between them is taken on trust. The rules, each a function of
//! <https://github.com/postgres/postgres/blob/REL_15_STABLE/contrib/pg_stat_statements/pg_stat_statements.c>:
//!
//! 1. A utility statement is counted once per plan: `pgss_ProcessUtility` clears the id in the plan itself,
//!    so the second Execute of one Parse has none.
//! 2. A SELECT is counted when its portal is dropped (`ExecutorEnd`). A portal that is still open when its
//!    transaction fails or rolls back is never ended (`AtAbort_Portals`), though its rows were delivered.
//! 3. PREPARE and DEALLOCATE are left out, and EXECUTE counts for what was prepared.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::{
    log::{Entry, What},
    sql::{Kind, Reader, Statement},
};

/// Calls by fingerprint.
pub type Calls = BTreeMap<String, u64>;

/// Both books.
#[derive(Debug, Default)]
pub struct Books {
    /// Statements that ended well, by the log.
    pub completed: Calls,
    /// What the statistics should count of these.
    pub expected: Calls,
    /// What they count.
    pub statistics: Calls,
    /// Errors, by the log.
    pub failed: u64,
    /// Empty queries, by the log.
    pub empty: u64,
    /// Executes that continued a portal, by the log.
    pub resumed: u64,
    /// Statements that the statistics leave out, by rule.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Reads texts; knows one of each fingerprint.
    pub reader: Reader,
}

/// One row of the statistics.
#[derive(Debug, Deserialize)]
pub struct Row {
    /// How often.
    pub calls: u64,
    /// Normalised text.
    pub text: String,
}

const PLAN: &str = "utility statement again from its plan";
const PORTAL: &str = "SELECT whose portal was open when its transaction failed";
const SESSION: &str = "PREPARE, DEALLOCATE";

#[derive(Default)]
struct Session {
    /// Utility statements that were executed since their Parse.
    spent: HashMap<String, bool>,
    /// Portals of SELECTs that are not ended, with their transactions.
    open: HashMap<String, (String, String)>,
    /// What names stand for that SQL prepared.
    prepared: HashMap<String, String>,
}

impl Books {
    /// Reads both.
    pub fn read(log: &[Entry], statistics: &[Row]) -> Result<Self> {
        let mut books = Self::default();
        let mut sessions: HashMap<&str, Session> = HashMap::new();
        for entry in log {
            let session = sessions.entry(&entry.session).or_default();
            books.entry(session, entry).with_context(|| format!("{entry:?}"))?;
        }
        for (_, session) in sessions {
            session.open.into_values().for_each(|(fingerprint, _)| count(&mut books.expected, &fingerprint));
        }
        for row in statistics {
            let said = books.reader.read(&row.text)?;
            let [statement] = &*said else { anyhow::bail!("the statistics have a text of several: {row:?}") };
            let fingerprint = match &statement.kind {
                Kind::Prepare { inner, .. } => inner,
                _ => &statement.fingerprint,
            };
            *books.statistics.entry(fingerprint.clone()).or_default() += row.calls;
        }
        Ok(books)
    }

    /// All that ended well.
    pub fn calls(&self) -> u64 {
        self.completed.values().sum()
    }

    fn entry(&mut self, session: &mut Session, entry: &Entry) -> Result<()> {
        match &entry.what {
            What::Simple(text) => {
                self.simple(session, entry, text, usize::MAX)?;
            }
            What::Parse(name, _) => {
                session.spent.insert(name.clone(), false);
            }
            What::Bind(_, portal, text) => {
                self.drop_portal(session, portal);
                // Its Execute has no line of its own.
                self.empty += u64::from(self.reader.read(text)?.is_empty());
            }
            What::Execute(name, portal, text) => {
                let said = self.reader.read(text)?;
                let statement = said.first().context("an empty statement is not executed")?;
                self.execute(session, entry, (name, portal), statement);
            }
            What::Resume => self.resumed += 1,
            What::Failed(text) => self.failed(session, entry, text)?,
        }
        Ok(())
    }

    /// The first statements of a `Query`.
    fn simple(&mut self, session: &mut Session, entry: &Entry, text: &str, most: usize) -> Result<()> {
        let said = self.reader.read(text)?;
        self.empty += u64::from(said.is_empty());
        for statement in said.iter().take(most) {
            // Its portal is the unnamed one too, and is dropped with it.
            self.drop_portal(session, "");
            let name = match &statement.kind {
                // It runs what was prepared, and is named so on both sides.
                Kind::Execute { name } => session.prepared.get(name),
                _ => None,
            };
            count(&mut self.completed, name.unwrap_or(&statement.fingerprint));
            self.expect(session, entry, statement);
        }
        Ok(())
    }

    fn execute(
        &mut self,
        session: &mut Session,
        entry: &Entry,
        (name, portal): (&str, &str),
        statement: &Statement,
    ) {
        count(&mut self.completed, &statement.fingerprint);
        match statement.kind {
            Kind::Select => {
                let open = (statement.fingerprint.clone(), entry.transaction.clone());
                session.open.insert(portal.to_owned(), open);
            }
            Kind::Change => count(&mut self.expected, &statement.fingerprint),
            _ if session.spent.insert(name.to_owned(), true) == Some(true) => self.leave_out(PLAN),
            _ => self.expect(session, entry, statement),
        }
        if statement.kind == Kind::Rollback {
            self.abort(session, &entry.transaction);
        }
    }

    /// A statement that ended, portal and all.
    fn expect(&mut self, session: &mut Session, entry: &Entry, statement: &Statement) {
        match &statement.kind {
            Kind::Prepare { name, inner } => {
                session.prepared.insert(name.clone(), inner.clone());
                self.leave_out(SESSION);
            }
            Kind::Deallocate => self.leave_out(SESSION),
            Kind::Execute { name } => {
                if let Some(inner) = session.prepared.get(name) {
                    count(&mut self.expected, inner);
                }
            }
            Kind::Rollback => {
                count(&mut self.expected, &statement.fingerprint);
                self.abort(session, &entry.transaction);
            }
            _ => count(&mut self.expected, &statement.fingerprint),
        }
    }

    /// A text of several statements says itself how many complete: the log knows only that not all did.
    fn failed(&mut self, session: &mut Session, entry: &Entry, text: &str) -> Result<()> {
        self.failed += 1;
        let says = text.strip_prefix("/* completes ").and_then(|rest| rest.split_once(" */"));
        if let Some((number, _)) = says {
            self.simple(session, entry, text, number.parse()?)?;
        }
        self.abort(session, &entry.transaction);
        Ok(())
    }

    fn abort(&mut self, session: &mut Session, transaction: &str) {
        let open = std::mem::take(&mut session.open);
        for (fingerprint, of) in open.into_values() {
            if of == transaction {
                self.leave_out(PORTAL);
            } else {
                count(&mut self.expected, &fingerprint);
            }
        }
    }

    fn drop_portal(&mut self, session: &mut Session, portal: &str) {
        if let Some((fingerprint, _)) = session.open.remove(portal) {
            count(&mut self.expected, &fingerprint);
        }
    }

    fn leave_out(&mut self, rule: &'static str) {
        *self.left_out.entry(rule).or_default() += 1;
    }
}

fn count(calls: &mut Calls, fingerprint: &str) {
    *calls.entry(fingerprint.to_owned()).or_default() += 1;
}

/// Where two counts differ: fingerprint, one, other.
pub fn differences<'c>(one: &'c Calls, other: &'c Calls) -> Vec<(&'c str, u64, u64)> {
    let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
    names.sort();
    names.dedup();
    let of = |calls: &Calls, name: &String| calls.get(name).copied().unwrap_or(0);
    let counts = names.into_iter().map(|name| (name.as_str(), of(one, name), of(other, name)));
    counts.filter(|(_, one, other)| one != other).collect()
}
