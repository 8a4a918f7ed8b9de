//! Statements other than queries: the parser's tree in, operation and summary out.
//!
//! Names that live as long as a session or a transaction (savepoints, cursors, prepared statements,
//! channels) are left out, and so are settings: the summary of each of these is its verb.

use pg_query::{
    Node, NodeEnum,
    protobuf::{DropStmt, ObjectType, RangeVar, TransactionStmtKind, VariableSetKind},
};

use super::{
    lexer::{Kind, Tokens},
    tree::Walk,
};

/// Words between `CREATE` and what is created.
#[rustfmt::skip]
const MODIFIERS: [&str; 14] = [
    "OR", "REPLACE", "TEMP", "TEMPORARY", "LOCAL", "GLOBAL", "UNLOGGED", "UNIQUE", "RECURSIVE", "TRUSTED",
    "PROCEDURAL", "CONSTRAINT", "DEFAULT", "SYSTEM",
];
/// What is created, altered and dropped.
#[rustfmt::skip]
const OBJECTS: [&str; 37] = [
    "ACCESS", "AGGREGATE", "CAST", "COLLATION", "CONVERSION", "DATABASE", "DOMAIN", "EVENT", "EXTENSION",
    "FOREIGN", "FUNCTION", "GROUP", "INDEX", "LANGUAGE", "LARGE", "MATERIALIZED", "OPERATOR", "OWNED",
    "POLICY", "PROCEDURE", "PUBLICATION", "ROLE", "ROUTINE", "RULE", "SCHEMA", "SEQUENCE", "SERVER",
    "STATISTICS", "SUBSCRIPTION", "TABLE", "TABLESPACE", "TEXT", "TRANSFORM", "TRIGGER", "TYPE", "USER",
    "VIEW",
];
/// Objects of two words.
const PAIRED: [&str; 4] = ["ACCESS", "EVENT", "FOREIGN", "MATERIALIZED"];

/// The first word of the command tag: most statements begin with it.
pub fn operation(node: &NodeEnum, text: &str) -> String {
    match node {
        NodeEnum::SelectStmt(_) => "SELECT".into(),
        NodeEnum::InsertStmt(_) => "INSERT".into(),
        NodeEnum::UpdateStmt(_) => "UPDATE".into(),
        NodeEnum::DeleteStmt(_) => "DELETE".into(),
        NodeEnum::MergeStmt(_) => "MERGE".into(),
        NodeEnum::CreateTableAsStmt(made) => {
            let empty = made.into.as_ref().is_some_and(|into| into.skip_data);
            if empty { "CREATE" } else { "SELECT" }.into()
        }
        NodeEnum::TransactionStmt(transaction) => verb(transaction.kind()).0.into(),
        NodeEnum::VariableSetStmt(set) => match set.kind() {
            VariableSetKind::VarReset | VariableSetKind::VarResetAll => "RESET".into(),
            _ => "SET".into(),
        },
        NodeEnum::VacuumStmt(vacuum) => if vacuum.is_vacuumcmd { "VACUUM" } else { "ANALYZE" }.into(),
        _ => words(text).next().unwrap_or_default(),
    }
}

/// First word of the command tag, and the summary.
const fn verb(kind: TransactionStmtKind) -> (&'static str, &'static str) {
    match kind {
        TransactionStmtKind::TransStmtBegin | TransactionStmtKind::Undefined => ("BEGIN", "BEGIN"),
        TransactionStmtKind::TransStmtStart => ("START", "START TRANSACTION"),
        TransactionStmtKind::TransStmtCommit => ("COMMIT", "COMMIT"),
        TransactionStmtKind::TransStmtRollback => ("ROLLBACK", "ROLLBACK"),
        TransactionStmtKind::TransStmtSavepoint => ("SAVEPOINT", "SAVEPOINT"),
        TransactionStmtKind::TransStmtRelease => ("RELEASE", "RELEASE"),
        TransactionStmtKind::TransStmtRollbackTo => ("ROLLBACK", "ROLLBACK TO SAVEPOINT"),
        TransactionStmtKind::TransStmtPrepare => ("PREPARE", "PREPARE TRANSACTION"),
        TransactionStmtKind::TransStmtCommitPrepared => ("COMMIT", "COMMIT PREPARED"),
        TransactionStmtKind::TransStmtRollbackPrepared => ("ROLLBACK", "ROLLBACK PREPARED"),
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let tokens = Tokens::spoken(text.as_bytes()).skip_while(|token| token.kind == Kind::Sign(b';'));
    tokens
        .take_while(|token| token.kind == Kind::Word)
        .map(|token| String::from_utf8_lossy(token.text).to_ascii_uppercase())
}

/// Summary of any statement.
pub fn describe(walk: &mut Walk, node: &Node, operation: &str, text: &str) {
    match &node.node {
        Some(NodeEnum::TransactionStmt(transaction)) => walk.summary.operation(verb(transaction.kind()).1),
        Some(
            NodeEnum::SelectStmt(_)
            | NodeEnum::InsertStmt(_)
            | NodeEnum::UpdateStmt(_)
            | NodeEnum::DeleteStmt(_)
            | NodeEnum::MergeStmt(_),
        ) => walk.node(node),
        Some(statement) => {
            walk.summary.operation(&headline(operation, text));
            targets(walk, statement);
            queries(walk, statement);
        }
        None => {}
    }
}

/// `CREATE TABLE`, `COPY`.
fn headline(operation: &str, text: &str) -> String {
    let mut words = words(text);
    let first = words.next().unwrap_or_default();
    if !matches!(first.as_str(), "CREATE" | "ALTER" | "DROP" | "REFRESH" | "IMPORT" | "REASSIGN") {
        return operation.to_owned();
    }
    let Some(object) = words.find(|word| !MODIFIERS.contains(&word.as_str())) else { return first };
    if !OBJECTS.contains(&object.as_str()) {
        return first;
    }
    let second = words.next().filter(|word| PAIRED.contains(&object.as_str()) && !word.is_empty());
    let second = second.filter(|word| matches!(word.as_str(), "METHOD" | "TRIGGER" | "TABLE" | "VIEW"));
    [Some(first), Some(object), second].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The relations that it is about.
fn targets(walk: &mut Walk, statement: &NodeEnum) {
    match statement {
        NodeEnum::TruncateStmt(truncate) => walk.nodes(&truncate.relations),
        NodeEnum::LockStmt(lock) => walk.nodes(&lock.relations),
        NodeEnum::DropStmt(drop) => dropped(walk, drop),
        NodeEnum::VacuumStmt(vacuum) => {
            for one in &vacuum.rels {
                if let Some(NodeEnum::VacuumRelation(one)) = &one.node {
                    relation(walk, one.relation.as_ref());
                }
            }
        }
        NodeEnum::CreateTableAsStmt(made) => {
            if let Some(into) = &made.into {
                walk.into(into);
            }
        }
        NodeEnum::CallStmt(call) => {
            if let Some(call) = &call.funccall {
                walk.called(call);
            }
        }
        _ => relation(walk, only_relation(statement)),
    }
}

fn relation(walk: &mut Walk, relation: Option<&RangeVar>) {
    if let Some(relation) = relation {
        walk.relation(relation);
    }
}

/// Of statements that are about one.
fn only_relation(statement: &NodeEnum) -> Option<&RangeVar> {
    match statement {
        NodeEnum::CopyStmt(copy) => copy.relation.as_ref(),
        NodeEnum::CreateStmt(create) => create.relation.as_ref(),
        NodeEnum::AlterTableStmt(alter) => alter.relation.as_ref(),
        NodeEnum::IndexStmt(index) => index.relation.as_ref(),
        NodeEnum::ViewStmt(view) => view.view.as_ref(),
        NodeEnum::RefreshMatViewStmt(refresh) => refresh.relation.as_ref(),
        NodeEnum::ClusterStmt(cluster) => cluster.relation.as_ref(),
        NodeEnum::ReindexStmt(reindex) => reindex.relation.as_ref(),
        NodeEnum::RenameStmt(rename) => rename.relation.as_ref(),
        NodeEnum::CreateTrigStmt(trigger) => trigger.relation.as_ref(),
        NodeEnum::RuleStmt(rule) => rule.relation.as_ref(),
        NodeEnum::CreateSeqStmt(sequence) => sequence.sequence.as_ref(),
        NodeEnum::AlterSeqStmt(sequence) => sequence.sequence.as_ref(),
        _ => None,
    }
}

/// Names of dropped relations stand in lists of their parts.
fn dropped(walk: &mut Walk, drop: &DropStmt) {
    let relations = matches!(
        drop.remove_type(),
        ObjectType::ObjectTable
            | ObjectType::ObjectView
            | ObjectType::ObjectMatview
            | ObjectType::ObjectForeignTable
            | ObjectType::ObjectSequence
    );
    for object in drop.objects.iter().filter(|_| relations) {
        let Some(NodeEnum::List(parts)) = &object.node else { continue };
        if let Some(Node { node: Some(NodeEnum::String(name)) }) = parts.items.last() {
            walk.summary.relation(&name.sval);
        }
    }
}

/// The queries that it holds.
fn queries(walk: &mut Walk, statement: &NodeEnum) {
    match statement {
        NodeEnum::CopyStmt(copy) => walk.maybe(copy.query.as_deref()),
        NodeEnum::ViewStmt(view) => walk.maybe(view.query.as_deref()),
        NodeEnum::CreateTableAsStmt(made) => walk.maybe(made.query.as_deref()),
        NodeEnum::ExplainStmt(explain) => walk.maybe(explain.query.as_deref()),
        NodeEnum::DeclareCursorStmt(declare) => walk.maybe(declare.query.as_deref()),
        NodeEnum::PrepareStmt(prepare) => walk.maybe(prepare.query.as_deref()),
        _ => {}
    }
}
