//! Statements against a real server: the agent's fingerprints of what was sent, and its fingerprints of the
//! texts that `pg_stat_statements` kept, have to be the same, call by call; and so the words of command tags.
//!
//! The statistics differ from what was sent in four ways, none of which is a difference of fingerprints:
//! they leave out `PREPARE`, `DEALLOCATE` and what failed; for `EXECUTE` they keep what `PREPARE` said; and a
//! query inside `DECLARE`, `EXPLAIN`, `COPY` or `CREATE TABLE AS` is no call of its own.

use std::{
    collections::{BTreeMap, HashMap},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use poolwatch::{
    event::QueryId,
    postgres::sql::{Effect, Reader, Spoken},
};
use poolwatch_tests::{
    need,
    need::Feature,
    postgres::{Server, Way},
    process,
};

const WAIT: Duration = Duration::from_mins(1);
const DATABASE: &str = "said";
/// What the rows below are about.
const SCHEMA: &str = "
    create table users (id serial primary key, name text, n numeric(10, 2), at timestamptz, tags int[], doc jsonb);
    create table orders (id serial primary key, user_id int, total numeric);
    create table orders_2024_01 (like orders); create table orders_2024_02 (like orders);
    create schema s; create table s.\"Users\" (id int, \"select\" text);
    create view v as select * from users; create materialized view m as select 1 as one;
    create procedure settle(a int, b text) language plpgsql as $$ begin perform a; end $$;
    create function twice(a int) returns setof int language sql as $$ select a union all select a $$;
    create type mood as enum ('ok'); create sequence counted; create role reader;
    insert into users (name) select 'u' || i from generate_series(1, 20) i;";

/// Each row is one session, and each text one message.
#[rustfmt::skip]
const SESSIONS: &[&[&str]] = &[
    // Queries.
    &["select 1", "SELECT 2", "select 'x', 1.5, null, true, $$y$$, E'z\\n', U&'\\0061', B'101', X'1F'"],
    &["select * from users where id = 5", "select * from users where id = 6 -- a comment", "/* one */ select * from users where id = 7"],
    &["select * from users u join orders o on o.user_id = u.id where u.name like 'u%' limit 5 offset 2"],
    &["select * from users u", "select * from orders u"],
    &["select * from users where id in (1)", "select * from users where id in (1, 2, 3)", "select * from users where id in (4, 5)"],
    &["select * from users where id = any('{1,2}')", "select * from users where id = any(array[1, 2, 3])"],
    &["select id from users where name = 'it''s' and n between 1 and 2.5 and at < now() - interval '1 day'"],
    &["select count(*), max(id) from orders group by user_id having count(*) > 3 order by 1"],
    &["select * from orders_2024_01", "select * from orders_2024_02 where id = 3"],
    &["select \"select\" from s.\"Users\" where id = -5", "select - 5 + -id from users"],
    &["with x as (select * from users where id < 5) select * from x, orders where orders.id = x.id"],
    &["with x as (delete from orders where id = 5 returning id) insert into users (name) select id::text from x"],
    &["with recursive r(n) as (select 1 union all select n + 1 from r where n < 5) select * from r"],
    &["select 1 union select 2 union all select 3", "select 1 intersect select 2", "(select 1) except (select 2)"],
    &["values (1, 'a'), (2, 'b')", "values (1, 'a')", "table users"],
    &["select case when id = 1 then 'a' else 'b' end, coalesce(name, 'x'), id::text, cast(id as numeric(5, 1)) from users"],
    &["select date '2020-01-01', interval '5 minutes', timestamp(3) '2020-01-01', 'x'::text, 5::float(24), '{1}'::int[3]"],
    &["select tags[1], tags[1:2], doc -> 'a' ->> 'b', doc @> '{\"a\": 1}' from users"],
    &["select row_number() over (partition by name order by id rows between 5 preceding and 1 following) from users"],
    &["select * from generate_series(1, 5) g, lateral (select * from users where id = g) u", "select * from twice(5)"],
    &["select extract(year from at), substring(name from 2 for 3), position('a' in name), trim(both 'x' from name) from users"],
    &["select * from users where (id, name) in ((1, 'a'), (2, 'b'))", "select exists (select 1 from orders where id = 5)"],
    &["select * from users order by id for update skip locked", "select distinct on (name) name from users"],
    &["select * from users tablesample system (10) repeatable (5)", "select grouping(id) from users group by grouping sets ((id), (name))"],
    &["select 1 as \"a\"\"b\", 'semicolon; in it'", "select pg_sleep(0.001)", "select current_user, current_timestamp(3)"],
    &["select 1 into temp scratch_1", "select * from users limit all", "select * from users fetch first 5 rows only"],
    // Changes.
    &["insert into users (name) values ('a')", "insert into users (name) values ('a'), ('b'), ('c')"],
    &["insert into users (id, name, n) values (100, 'a', 1.5) on conflict (id) do update set name = excluded.name where users.id > 5"],
    &["insert into users default values", "insert into users (name) select name from users where id = 1 returning id"],
    &["update users set name = 'x', n = n + 1 where id = 5", "update users u set name = o.total::text from orders o where o.user_id = u.id"],
    &["delete from orders where id = 5", "delete from orders using users where orders.user_id = users.id and users.name = 'x'"],
    &["merge into orders o using users u on o.user_id = u.id when matched then update set total = 5 when not matched then insert (user_id) values (1)"],
    // Transactions.
    &["begin", "savepoint one_1", "rollback to savepoint one_1", "release savepoint one_1", "commit"],
    &["BEGIN", "savepoint other_22", "rollback to other_22", "release other_22", "END"],
    &["begin isolation level serializable read only", "abort"],
    &["start transaction", "commit and chain", "rollback"],
    &["begin; select 1; update users set name = 'y' where id = 1; commit", ";;", "select 3;; select 4;"],
    // Settings.
    &["set work_mem = '5MB'", "set work_mem to 4096", "set local work_mem = '6MB'", "set session characteristics as transaction read write"],
    &["set time zone 'UTC'", "set role reader", "reset role", "reset all", "show work_mem", "show all", "reset work_mem"],
    &["set search_path to s, public", "set names 'UTF8'", "select set_config('work_mem', '5MB', false)"],
    // Cursors.
    &["begin", "declare c_1 cursor for select * from users where id > 5", "fetch 3 from c_1", "fetch next from c_1", "move 2 from c_1", "close c_1", "commit"],
    &["begin", "declare c_2 scroll cursor with hold for select * from users", "fetch 4 from c_2", "commit", "fetch all c_2", "close all"],
    // Prepared statements.
    &["prepare p_1 as select * from users where id = 5", "execute p_1", "execute p_1", "deallocate p_1"],
    &["prepare p_2 (int, text) as update users set name = $2 where id = $1", "execute p_2(1, 'a')", "execute p_2(2, 'b')", "deallocate all"],
    &["prepare \"P 3\" as select cast($1 as int)", "execute \"P 3\"(5)", "discard all"],
    &["prepare p_4 as insert into orders (user_id) values ($1)", "explain execute p_4(1)", "create table from_p_4 as select 1", "execute p_4(3)"],
    // Other utility statements.
    &["explain select * from users where id = 5", "explain (analyze, costs off) update users set name = 'z' where id = 6"],
    &["copy (select * from users where id < 5) to stdout", "copy users (name) to stdout with (format csv, header)"],
    &["call settle(5, 'x')", "do $$ begin perform 1; end $$", "do language plpgsql 'begin perform 2; end'"],
    &["create table t_new (id int default 5, check (id > 3))", "create index on t_new (id) where id > 7", "alter table t_new add column name text default 'x'", "comment on table t_new is 'secret'", "truncate t_new", "begin", "lock table t_new", "commit", "drop table t_new cascade"],
    &["create temp table scratch_2 (id int)", "create temporary table scratch_3 as select * from users where id = 5", "drop table scratch_2, scratch_3"],
    &["create table if not exists made as select * from users where id = 5", "create unlogged table made_2 (like users)", "drop table if exists made, made_2"],
    &["create view v_2 as select * from users where id = 5", "create or replace view v_2 as select * from users where id = 6", "alter view v_2 rename to v_3", "drop view v_3"],
    &["refresh materialized view m", "create sequence s_2 increment 5", "alter sequence s_2 restart 3", "drop sequence s_2", "select nextval('counted')"],
    &["create role app login password 'secret'", "alter role app password 'other'", "grant select on users to app", "revoke select on users from app", "drop role app"],
    &["create function f_1() returns int language sql as $$ select 5 $$", "create function f_2(a int) returns int language sql begin atomic select 1; select a; end", "drop function f_1, f_2"],
    &["create type t_1 as enum ('a', 'b')", "alter type t_1 add value 'c'", "drop type t_1", "create domain d_1 as int check (value > 5)", "drop domain d_1"],
    &["create schema s_1", "drop schema s_1", "create extension if not exists plpgsql", "alter table users alter column name set default 'x'"],
    &["listen channel_1", "notify channel_1, 'secret'", "unlisten channel_1", "unlisten *", "checkpoint", "discard plans", "discard temp"],
    &["vacuum", "vacuum (analyze) users", "analyze users (name)", "analyse", "cluster", "reindex table users", "vacuum full orders"],
    &["create trigger tr before update on users for each row execute function suppress_redundant_updates_trigger()", "alter table users disable trigger tr", "drop trigger tr on users"],
    &["alter system set work_mem = '7MB'", "alter database said set work_mem = '5MB'", "load 'plpgsql'"],
];

/// Calls by fingerprint.
type Calls = BTreeMap<QueryId, u64>;

/// What is said, as the server's statistics would have it.
#[derive(Default)]
struct Told {
    reader: Reader,
    prepared: HashMap<Box<[u8]>, QueryId>,
    summaries: BTreeMap<QueryId, String>,
}

impl Told {
    fn statements(&mut self, text: &str) -> Vec<Spoken> {
        let script = self.reader.read(text.as_bytes(), false);
        for spoken in &script.statements {
            self.summaries.insert(spoken.query.id, spoken.query.summary.clone());
        }
        script.statements.clone()
    }

    /// What the call of this statement counts for; nothing, where none is counted.
    fn counted(&mut self, spoken: &Spoken) -> Option<QueryId> {
        match &spoken.effect {
            Effect::Prepare { name, query } => {
                self.prepared.insert(name.clone(), query.id);
                None
            }
            Effect::Execute { name } => self.prepared.get(name).copied(),
            Effect::Deallocate { .. } => None,
            Effect::DeallocateAll if spoken.query.operation == "DEALLOCATE" => None,
            Effect::DeallocateAll | Effect::None => Some(spoken.query.id),
        }
    }

    fn sent(&mut self, session: &[&str]) -> Calls {
        let mut calls = Calls::new();
        for text in session {
            for spoken in self.statements(text) {
                if let Some(id) = self.counted(&spoken) {
                    *calls.entry(id).or_default() += 1;
                }
            }
        }
        calls
    }

    /// Of `calls|text in hexadecimal digits`, line by line.
    fn kept(&mut self, rows: &str) -> Result<Calls> {
        let mut calls = Calls::new();
        for row in rows.lines() {
            let (count, text) = row.split_once('|').context("two columns")?;
            let text = String::from_utf8(bytes(text)?)?;
            let statements = self.statements(&text);
            let [spoken] = statements.as_slice() else { anyhow::bail!("one statement: {text}") };
            let id = match &spoken.effect {
                Effect::Prepare { query, .. } => query.id,
                _ => spoken.query.id,
            };
            *calls.entry(id).or_default() += count.parse::<u64>()?;
        }
        Ok(calls)
    }
}

fn bytes(digits: &str) -> Result<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(std::str::from_utf8);
    pairs.map(|pair| Ok(u8::from_str_radix(pair?, 16)?)).collect()
}

/// Sends each text as one message of one session; the command tags, as far as psql shows them.
fn send(server: &Server, session: &[&str]) -> Result<String> {
    let mut command = Command::new(need::postgres().map_err(anyhow::Error::msg)?.join("psql"));
    command.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", &server.host(Way::Unix)]);
    command.args(["-p", &server.port().to_string(), "-U", "postgres", "-d", DATABASE]);
    for text in session {
        command.args(["-c", text]);
    }
    let answer = process::run("psql", &mut command, WAIT)?;
    Ok(answer.success("psql").with_context(|| format!("{session:?}"))?.clone())
}

const KEPT: &str = "select calls, encode(convert_to(query, 'UTF8'), 'hex') from pg_stat_statements \
    where dbid = (select oid from pg_database where datname = 'said') and toplevel";

#[test]
fn what_is_sent_is_what_the_server_counts() -> Result<()> {
    need!(Feature::Postgres);
    let server = Server::start()?;
    server.database(DATABASE)?;
    server.psql(DATABASE, SCHEMA)?;
    server.psql("postgres", "create extension if not exists pg_stat_statements")?;
    let mut told = Told::default();
    let mut wrong = Vec::new();
    let mut statements = 0;
    for session in SESSIONS {
        server.psql("postgres", "select pg_stat_statements_reset()")?;
        send(&server, session)?;
        let sent = told.sent(session);
        let rows = server.psql("postgres", KEPT)?;
        let kept = told.kept(&rows)?;
        statements += sent.values().sum::<u64>();
        let ids: std::collections::BTreeSet<QueryId> = sent.keys().chain(kept.keys()).copied().collect();
        for id in ids.into_iter().filter(|id| sent.get(id) != kept.get(id)) {
            let summary = told.summaries.get(&id).cloned().unwrap_or_default();
            let counts = (sent.get(&id), kept.get(&id));
            wrong.push(format!("{id} {summary}: sent and kept {counts:?} in {session:?}"));
        }
    }
    println!("{statements} statements, {} fingerprints", told.summaries.len());
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// psql shows a tag for each statement that returns no rows.
#[test]
fn operations_are_the_first_words_of_command_tags() -> Result<()> {
    need!(Feature::Postgres);
    let server = Server::start()?;
    server.database(DATABASE)?;
    server.psql(DATABASE, SCHEMA)?;
    let mut reader = Reader::new();
    let mut compared = 0;
    for session in SESSIONS {
        let output = send(&server, session)?;
        let mut tags = output.lines().filter(|line| line.chars().next().is_some_and(char::is_uppercase));
        for spoken in session.iter().flat_map(|text| reader.read(text.as_bytes(), false).statements.clone()) {
            let word = spoken.query.operation.as_str();
            let silent = ["SELECT", "EXPLAIN", "SHOW", "FETCH", "COPY", "CALL", "EXECUTE"].contains(&word);
            if silent || spoken.query.summary.contains("SELECT") {
                continue;
            }
            let tag = tags.find(|line| line.split(' ').next() == Some(word));
            ensure!(tag.is_some(), "no tag {word} in {session:?}:\n{output}");
            compared += 1;
        }
    }
    println!("{compared} command tags");
    ensure!(compared > 100, "only {compared} tags were seen");
    Ok(())
}
