//! The server's log in JSON, with the duration of every statement: one entry for each line that counts.
//!
//! `log_min_duration_statement=0` writes a line when a statement has ended well; a failed one has a line of
//! its error instead. Source: `exec_simple_query`, `exec_execute_message` in
//! <https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/tcop/postgres.c>.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A `Query` ended well: its whole text.
    Simple(String),
    /// A `Parse`: name and text.
    Parse(String, String),
    /// A `Bind`: statement, portal and text.
    Bind(String, String, String),
    /// A portal's first `Execute`: statement, portal and text.
    Execute(String, String, String),
    /// A later `Execute` of the same portal.
    Resume,
    /// An error, with the text that it is about.
    Failed(String),
}

/// One line.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which session.
    pub session: String,
    /// Which transaction of it.
    pub transaction: String,
    /// What it tells.
    pub what: What,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    user: String,
    #[serde(default)]
    dbname: String,
    session_id: String,
    #[serde(default)]
    vxid: String,
    error_severity: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    statement: String,
}

/// The entries of one user in the database of the same name.
pub fn entries<'l>(lines: impl Iterator<Item = &'l str>, user: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for line in lines {
        let line: Line = serde_json::from_str(line).with_context(|| format!("the log: {line}"))?;
        if line.user != user || line.dbname != user {
            continue;
        }
        let what = match line.error_severity.as_str() {
            "LOG" => told(&line.message)?,
            "ERROR" | "FATAL" | "PANIC" => Some(What::Failed(line.statement)),
            _ => None,
        };
        let (session, transaction) = (line.session_id, line.vxid);
        entries.extend(what.map(|what| Entry { session, transaction, what }));
    }
    Ok(entries)
}

/// `duration: 0.1 ms  statement: …`, `… parse NAME: …`, `… bind NAME[/PORTAL]: …`, `… execute …`.
fn told(message: &str) -> Result<Option<What>> {
    let Some((_, told)) = message.strip_prefix("duration: ").and_then(|rest| rest.split_once(" ms  ")) else {
        return Ok(None);
    };
    // A FunctionCall is a request without a statement, and no book has it.
    if told.starts_with("fastpath function call") {
        return Ok(None);
    }
    let (head, text) = told.split_once(": ").or_else(|| told.split_once(':')).context("a text")?;
    let (verb, of) = head.split_once(' ').unwrap_or((head, ""));
    let (statement, portal) = of.split_once('/').unwrap_or((of, ""));
    let [statement, portal, text] = [statement, portal, text].map(str::to_owned);
    Ok(Some(match verb {
        "statement" => What::Simple(text),
        "parse" => What::Parse(statement, text),
        "bind" => What::Bind(statement, portal, text),
        "execute" if of.starts_with("fetch from ") => What::Resume,
        "execute" => What::Execute(statement, portal, text),
        _ => bail!("the log has an unknown line: {message}"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, what: &What) {
        assert_eq!(told(message).expect("it is read").as_ref(), Some(what), "{message}");
    }

    #[test]
    fn lines_of_durations() {
        let text = |text: &str| text.to_owned();
        check("duration: 0.1 ms  statement: select ': '", &What::Simple(text("select ': '")));
        check("duration: 0.1 ms  statement: ", &What::Simple(text("")));
        check("duration: 0.1 ms  parse <unnamed>: a", &What::Parse(text("<unnamed>"), text("a")));
        check("duration: 0.1 ms  bind s/p: a", &What::Bind(text("s"), text("p"), text("a")));
        check("duration: 0.1 ms  execute s: a", &What::Execute(text("s"), text(""), text("a")));
        check("duration: 0.1 ms  execute fetch from s/p: a", &What::Resume);
        assert_eq!(
            told("duration: 0.1 ms  fastpath function call: \"lo_creat\" (OID 957)").expect("read"),
            None
        );
        assert_eq!(told("connection received").expect("it is read"), None);
    }
}
