//! Texts of the server's books in, their statements' fingerprints and kinds out.
//!
//! The fingerprints are the agent's own library's: equal texts on both sides have equal names.

use std::{collections::HashMap, rc::Rc};

use anyhow::{Context as _, Result};
use pg_query::{
    NodeEnum,
    protobuf::{RawStmt, TransactionStmtKind},
};

/// What a statement is to the server's statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It ends with its portal, not with its last row.
    Select,
    /// Other optimizable statements: they end when they are executed.
    Change,
    /// `PREPARE`, which the statistics leave out.
    Prepare {
        /// Of the prepared statement.
        name: String,
        /// The fingerprint of what is prepared.
        inner: String,
    },
    /// `EXECUTE`: the statistics count what it executes.
    Execute {
        /// Of the prepared statement.
        name: String,
    },
    /// `DEALLOCATE`, which the statistics leave out.
    Deallocate,
    /// `ROLLBACK` and `ROLLBACK TO`: open portals fail.
    Rollback,
    /// Every other utility statement.
    Utility,
}

/// One statement of a text.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Its name on both sides, 16 hexadecimal digits.
    pub fingerprint: String,
    /// What it is.
    pub kind: Kind,
}

/// Reads each text once.
#[derive(Debug, Default)]
pub struct Reader {
    known: HashMap<String, Rc<[Statement]>>,
    /// One text of each fingerprint, for people.
    pub texts: HashMap<String, String>,
}

impl Reader {
    /// The statements of a text that the server took.
    pub fn read(&mut self, text: &str) -> Result<Rc<[Statement]>> {
        if let Some(known) = self.known.get(text) {
            return Ok(Rc::clone(known));
        }
        let parsed = pg_query::parse(text, 0).with_context(|| format!("the server took: {text}"))?;
        let statements: Result<Rc<[Statement]>> =
            parsed.protobuf.stmts.iter().map(|raw| self.statement(text, raw)).collect();
        let statements = statements?;
        self.known.insert(text.to_owned(), Rc::clone(&statements));
        Ok(statements)
    }

    fn statement(&mut self, text: &str, raw: &RawStmt) -> Result<Statement> {
        let text = part(text, raw).context("a statement lies in its text")?;
        let node =
            raw.stmt.as_ref().and_then(|stmt| stmt.node.as_ref()).context("a statement is something")?;
        let fingerprint = name(text)?;
        self.texts.entry(fingerprint.clone()).or_insert_with(|| text.trim().to_owned());
        Ok(Statement { fingerprint, kind: kind(node, text)? })
    }
}

/// Schemas count and aliases do not, as the agent has it.
fn name(text: &str) -> Result<String> {
    let options = pg_query::FingerprintOptions::RANGEVAR_PG17_COMPAT;
    Ok(format!("{:016x}", pg_query::fingerprint(text, 0, options)?.value))
}

fn part<'t>(text: &'t str, raw: &RawStmt) -> Option<&'t str> {
    let rest = text.get(usize::try_from(raw.stmt_location).ok()?..)?;
    let length = usize::try_from(raw.stmt_len).ok()?;
    if length == 0 { Some(rest) } else { rest.get(..length) }
}

fn kind(node: &NodeEnum, text: &str) -> Result<Kind> {
    use TransactionStmtKind::{TransStmtRollback, TransStmtRollbackTo};
    Ok(match node {
        NodeEnum::SelectStmt(select) if select.into_clause.is_none() => Kind::Select,
        NodeEnum::InsertStmt(_)
        | NodeEnum::UpdateStmt(_)
        | NodeEnum::DeleteStmt(_)
        | NodeEnum::MergeStmt(_) => Kind::Change,
        NodeEnum::PrepareStmt(prepare) => {
            // The text behind AS: the grammar allows no other ` as ` before it but in a type's name.
            let (_, inner) = text.split_once(" as ").context("PREPARE … as …, in lower case")?;
            Kind::Prepare { name: prepare.name.clone(), inner: name(inner)? }
        }
        NodeEnum::ExecuteStmt(execute) => Kind::Execute { name: execute.name.clone() },
        NodeEnum::DeallocateStmt(_) => Kind::Deallocate,
        NodeEnum::TransactionStmt(stmt)
            if [TransStmtRollback, TransStmtRollbackTo].contains(&stmt.kind()) =>
        {
            Kind::Rollback
        }
        _ => Kind::Utility,
    })
}
