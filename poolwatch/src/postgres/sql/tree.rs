//! The parser's tree of a statement in, its summary out: what is done to which relations.
//!
//! A summary depends on nothing that the fingerprint does not see: lists that the fingerprint takes as
//! sets are taken as sets here. Expressions are looked through for queries within them only.

use pg_query::{
    Node, NodeEnum,
    protobuf::{
        CommonTableExpr, DeleteStmt, FuncCall, InsertStmt, IntoClause, JoinExpr, MergeStmt, RangeFunction,
        RangeVar, ReturningClause, SelectStmt, UpdateStmt, WithClause,
    },
};

use super::summary::Summary;

/// Names of tables that live as long as their session: the fingerprint is blind to them.
const TEMPORARY: &str = "t";

/// The walk through one statement.
#[derive(Default)]
pub struct Walk {
    /// What it has found.
    pub summary: Summary,
    /// Names of `WITH`: they look like relations and are none.
    common: Vec<String>,
}

impl Walk {
    /// Anything below a statement.
    pub fn node(&mut self, node: &Node) {
        match &node.node {
            Some(NodeEnum::SelectStmt(select)) => self.select(select),
            Some(NodeEnum::InsertStmt(insert)) => self.insert(insert),
            Some(NodeEnum::UpdateStmt(update)) => self.update(update),
            Some(NodeEnum::DeleteStmt(delete)) => self.delete(delete),
            Some(NodeEnum::MergeStmt(merge)) => self.merge(merge),
            Some(NodeEnum::RangeVar(relation)) => self.relation(relation),
            Some(NodeEnum::JoinExpr(join)) => self.join(join),
            Some(NodeEnum::RangeSubselect(range)) => self.maybe(range.subquery.as_deref()),
            Some(NodeEnum::RangeFunction(range)) => self.function_as_table(range),
            Some(NodeEnum::RangeTableSample(sample)) => self.maybe(sample.relation.as_deref()),
            Some(NodeEnum::CommonTableExpr(common)) => self.common(common),
            Some(_) => self.expression(node),
            None => {}
        }
    }

    /// Where there may be nothing.
    pub fn maybe(&mut self, node: Option<&Node>) {
        if let Some(node) = node {
            self.node(node);
        }
    }

    /// One after the other.
    pub fn nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            self.node(node);
        }
    }

    /// As a set.
    fn set(&mut self, nodes: &[Node]) {
        let before = std::mem::take(&mut self.summary);
        let mut parts: Vec<Summary> = nodes
            .iter()
            .map(|node| {
                self.node(node);
                std::mem::take(&mut self.summary)
            })
            .filter(|part| !part.is_empty())
            .collect();
        parts.sort();
        parts.dedup();
        self.summary = before;
        for part in parts {
            self.summary.append(part);
        }
    }

    /// A relation's name.
    pub fn relation(&mut self, relation: &RangeVar) {
        let common = relation.schemaname.is_empty() && self.common.contains(&relation.relname);
        if !common && relation.relpersistence != TEMPORARY {
            self.summary.relation(&relation.relname);
        }
    }

    /// The table that `SELECT INTO` or `CREATE TABLE AS` makes.
    pub fn into(&mut self, into: &IntoClause) {
        if let Some(relation) = &into.rel {
            self.relation(relation);
        }
    }

    /// `body`, then the queries of its `WITH`, whose names are known in both.
    fn within(&mut self, with: Option<&WithClause>, body: impl FnOnce(&mut Self)) {
        let known = self.common.len();
        let queries = with.map_or(&[][..], |with| &with.ctes);
        for query in queries {
            if let Some(NodeEnum::CommonTableExpr(common)) = &query.node {
                self.common.push(common.ctename.clone());
            }
        }
        body(self);
        self.nodes(queries);
        self.common.truncate(known);
    }

    fn common(&mut self, common: &CommonTableExpr) {
        self.maybe(common.ctequery.as_deref());
    }

    fn select(&mut self, select: &SelectStmt) {
        self.within(select.with_clause.as_ref(), |walk| {
            if let (Some(left), Some(right)) = (&select.larg, &select.rarg) {
                walk.select(left);
                walk.select(right);
            } else {
                walk.summary.operation("SELECT");
            }
            if let Some(into) = &select.into_clause {
                walk.into(into);
            }
            walk.set(&select.from_clause);
            walk.set(&select.target_list);
            walk.maybe(select.where_clause.as_deref());
            walk.nodes(&select.group_clause);
            walk.maybe(select.having_clause.as_deref());
            walk.set(&select.values_lists);
            walk.nodes(&select.sort_clause);
            walk.maybe(select.limit_offset.as_deref());
            walk.maybe(select.limit_count.as_deref());
        });
    }

    fn insert(&mut self, insert: &InsertStmt) {
        self.within(insert.with_clause.as_ref(), |walk| {
            walk.begin("INSERT", insert.relation.as_ref());
            match insert.select_stmt.as_deref().map(|node| &node.node) {
                // Rows that are given are no query.
                Some(Some(NodeEnum::SelectStmt(rows))) if !rows.values_lists.is_empty() => {
                    walk.set(&rows.values_lists);
                }
                _ => walk.maybe(insert.select_stmt.as_deref()),
            }
            if let Some(conflict) = &insert.on_conflict_clause {
                walk.set(&conflict.target_list);
                walk.maybe(conflict.where_clause.as_deref());
            }
            walk.returning(insert.returning_clause.as_ref());
        });
    }

    fn update(&mut self, update: &UpdateStmt) {
        self.within(update.with_clause.as_ref(), |walk| {
            walk.begin("UPDATE", update.relation.as_ref());
            walk.set(&update.from_clause);
            walk.set(&update.target_list);
            walk.maybe(update.where_clause.as_deref());
            walk.returning(update.returning_clause.as_ref());
        });
    }

    fn delete(&mut self, delete: &DeleteStmt) {
        self.within(delete.with_clause.as_ref(), |walk| {
            walk.begin("DELETE", delete.relation.as_ref());
            walk.nodes(&delete.using_clause);
            walk.maybe(delete.where_clause.as_deref());
            walk.returning(delete.returning_clause.as_ref());
        });
    }

    fn merge(&mut self, merge: &MergeStmt) {
        self.within(merge.with_clause.as_ref(), |walk| {
            walk.begin("MERGE", merge.relation.as_ref());
            walk.maybe(merge.source_relation.as_deref());
            walk.maybe(merge.join_condition.as_deref());
            for clause in &merge.merge_when_clauses {
                if let Some(NodeEnum::MergeWhenClause(when)) = &clause.node {
                    walk.maybe(when.condition.as_deref());
                    walk.set(&when.target_list);
                    walk.nodes(&when.values);
                }
            }
            walk.returning(merge.returning_clause.as_ref());
        });
    }

    fn begin(&mut self, operation: &str, relation: Option<&RangeVar>) {
        self.summary.operation(operation);
        if let Some(relation) = relation {
            self.relation(relation);
        }
    }

    fn returning(&mut self, returning: Option<&ReturningClause>) {
        if let Some(returning) = returning {
            self.nodes(&returning.exprs);
        }
    }

    fn join(&mut self, join: &JoinExpr) {
        self.maybe(join.larg.as_deref());
        self.maybe(join.rarg.as_deref());
        self.maybe(join.quals.as_deref());
    }

    /// Its name stands for a relation's.
    fn function_as_table(&mut self, range: &RangeFunction) {
        for function in &range.functions {
            let Some(NodeEnum::List(pair)) = &function.node else { continue };
            for call in &pair.items {
                if let Some(NodeEnum::FuncCall(call)) = &call.node {
                    self.called(call);
                }
            }
        }
    }

    /// A procedure's name, then what its arguments ask for.
    pub fn called(&mut self, call: &FuncCall) {
        if let Some(Node { node: Some(NodeEnum::String(name)) }) = call.funcname.last() {
            self.summary.relation(&name.sval);
        }
        self.set(&call.args);
    }

    /// Queries within an expression.
    fn expression(&mut self, node: &Node) {
        match &node.node {
            Some(NodeEnum::SubLink(link)) => {
                self.maybe(link.testexpr.as_deref());
                self.maybe(link.subselect.as_deref());
            }
            Some(NodeEnum::ResTarget(target)) => self.maybe(target.val.as_deref()),
            Some(NodeEnum::BoolExpr(bool)) => self.set(&bool.args),
            Some(NodeEnum::AExpr(operator)) => {
                self.maybe(operator.lexpr.as_deref());
                match operator.rexpr.as_deref().map(|node| &node.node) {
                    Some(Some(NodeEnum::List(list))) => self.set(&list.items),
                    _ => self.maybe(operator.rexpr.as_deref()),
                }
            }
            Some(NodeEnum::FuncCall(call)) => {
                self.set(&call.args);
                self.maybe(call.agg_filter.as_deref());
            }
            Some(NodeEnum::CaseExpr(case)) => {
                self.maybe(case.arg.as_deref());
                self.set(&case.args);
                self.maybe(case.defresult.as_deref());
            }
            Some(NodeEnum::CaseWhen(when)) => {
                self.maybe(when.expr.as_deref());
                self.maybe(when.result.as_deref());
            }
            _ => self.wrapped(node),
        }
    }

    /// Expressions around one other, or a few.
    fn wrapped(&mut self, node: &Node) {
        match &node.node {
            Some(NodeEnum::CoalesceExpr(coalesce)) => self.set(&coalesce.args),
            Some(NodeEnum::MinMaxExpr(extreme)) => self.set(&extreme.args),
            Some(NodeEnum::RowExpr(row)) => self.set(&row.args),
            Some(NodeEnum::List(list)) => self.set(&list.items),
            Some(NodeEnum::AArrayExpr(array)) => self.nodes(&array.elements),
            Some(NodeEnum::TypeCast(cast)) => self.maybe(cast.arg.as_deref()),
            Some(NodeEnum::NullTest(test)) => self.maybe(test.arg.as_deref()),
            Some(NodeEnum::BooleanTest(test)) => self.maybe(test.arg.as_deref()),
            Some(NodeEnum::AIndirection(part)) => self.maybe(part.arg.as_deref()),
            Some(NodeEnum::CollateClause(collate)) => self.maybe(collate.arg.as_deref()),
            Some(NodeEnum::NamedArgExpr(named)) => self.maybe(named.arg.as_deref()),
            Some(NodeEnum::SortBy(sort)) => self.maybe(sort.node.as_deref()),
            Some(NodeEnum::MultiAssignRef(assigned)) => self.maybe(assigned.source.as_deref()),
            _ => {}
        }
    }
}
