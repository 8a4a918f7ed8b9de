//! sqlx over a pool: cached and uncached statements, many in flight, several statements in one `Query`.
//!
//! In comes the environment: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, `WIRE_WHAT` (`calls` or
//! `durations`), `WIRE_CALLS` (about) and `WIRE_SEED`. Out goes one line of JSON by this program's own count.

use anyhow::{Context as _, Result};
use futures_util::{TryStreamExt as _, future::join_all};
use poolwatch_tests::{
    clock,
    wire::own::{self, Own},
};
use sqlx::{
    Acquire as _, Executor as _, PgConnection, PgPool, Row as _,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};

const SELECT: &str = "select name, amount from item where id = $1";
const RANGE: &str = "select id, name from item where amount between $1 and $2 order by id limit 50";
const INSERT: &str = "insert into event (item, body) values ($1, $2) returning id";
const UPDATE: &str = "update item set amount = amount + $1 where id = $2";
const DELETE: &str = "delete from event where item = $1 and id % 7 = 3";
const TWICE: &str = "insert into item (id, name) values ($1, $2)";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut own = Own::new("sqlx", "0.9");
    let pool = pool(if own::durations() { 1 } else { 5 }).await?;
    let mut connection = pool.acquire().await?;
    if own::durations() {
        durations(&mut connection).await?;
    } else {
        let calls = own::calls();
        for (mode, persistent) in [("cached", true), ("not cached", false)] {
            own.begin(mode);
            mix(&mut own, &mut connection, persistent, calls / 30).await?;
        }
        simple(&mut own, &mut connection, calls / 20).await?;
        many_in_flight(&mut own, &pool, calls / 500).await?;
        streams(&mut own, &mut connection, calls / 200).await?;
        copies(&mut own, &mut connection, calls / 200).await?;
    }
    drop(connection);
    pool.close().await;
    own.tell()
}

async fn pool(size: u32) -> Result<PgPool> {
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&own::variable("PGHOST")?)
        .port(own::variable("PGPORT")?.parse()?)
        .username(&own::variable("PGUSER")?)
        .database(&own::variable("PGDATABASE")?)
        .ssl_mode(own::variable("PGSSLMODE").map_or(Ok(PgSslMode::Disable), |mode| mode.parse())?);
    if let Ok(password) = own::variable("PGPASSWORD") {
        options = options.password(&password);
    }
    PgPoolOptions::new().max_connections(size).connect_with(options).await.context("connecting")
}

async fn mix(own: &mut Own, connection: &mut PgConnection, persistent: bool, rounds: i32) -> Result<()> {
    let query = |sql| sqlx::query(sql).persistent(persistent);
    for number in 0..rounds {
        own.call(5);
        query(SELECT).bind(own::item()).fetch_one(&mut *connection).await?;
        query(RANGE).bind(own::item()).bind(own::item()).fetch_all(&mut *connection).await?;
        query(INSERT).bind(own::item()).bind("inserted").fetch_one(&mut *connection).await?;
        query(UPDATE).bind(number).bind(own::item()).execute(&mut *connection).await?;
        query(DELETE).bind(own::item()).execute(&mut *connection).await?;
        if number % 5 == 0 {
            transactions(own, connection, persistent).await?;
        }
        if number % 20 == 0 {
            own.fails(&query("selec name from item where id = 3").fetch_all(&mut *connection).await);
            let zero = query("select 1 / (id - id) from item where id = $1").bind(own::item());
            own.fails(&zero.fetch_all(&mut *connection).await);
            let twice = query(TWICE).bind(own::item()).bind("there already");
            own.fails(&twice.execute(&mut *connection).await);
            own.empty();
            query("").execute(&mut *connection).await?;
        }
    }
    Ok(())
}

async fn transactions(own: &mut Own, connection: &mut PgConnection, persistent: bool) -> Result<()> {
    let query = |sql| sqlx::query(sql).persistent(persistent);
    own.call(6);
    let mut outer = connection.begin().await?;
    query(UPDATE).bind(1).bind(own::item()).execute(&mut *outer).await?;
    let mut inner = outer.begin().await?;
    own.fails(&query(TWICE).bind(1).bind("there already").execute(&mut *inner).await);
    inner.rollback().await?;
    query(INSERT).bind(own::item()).bind("kept").execute(&mut *outer).await?;
    outer.commit().await?;
    own.call(3);
    let mut undone = connection.begin().await?;
    query(INSERT).bind(own::item()).bind("not kept").execute(&mut *undone).await?;
    // Dropped, it rolls back with the connection's next use.
    drop(undone);
    Ok(())
}

async fn simple(own: &mut Own, connection: &mut PgConnection, rounds: i32) -> Result<()> {
    own.begin("raw_sql");
    for number in 0..rounds {
        own.call(3);
        let several = "select 1; update item set note = 'it''s' where id = 5; select 'b'";
        connection.execute(sqlx::raw_sql(several)).await?;
        if number % 20 == 0 {
            own.call(1);
            let broken = sqlx::raw_sql("/* completes 1 */ select 2; select 3 / 0; select 4");
            own.fails(&connection.execute(broken).await);
        }
    }
    Ok(())
}

async fn many_in_flight(own: &mut Own, pool: &PgPool, rounds: i32) -> Result<()> {
    own.begin("many in flight");
    for _ in 0..rounds {
        own.call(100);
        let asked = join_all((0..100).map(|_| sqlx::query(SELECT).bind(own::item()).fetch_one(pool))).await;
        asked.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
    Ok(())
}

async fn streams(own: &mut Own, connection: &mut PgConnection, rounds: i32) -> Result<()> {
    own.begin("stream");
    for number in 0..rounds {
        own.call(1);
        let mut rows = sqlx::query("select id, name from item order by id").fetch(&mut *connection);
        let mut seen = 0;
        while let Some(row) = rows.try_next().await? {
            seen += row.try_get::<i32, _>(0).map(|_| 1)?;
            // Left before its end: the rest is read with the connection's next use.
            if number % 3 == 0 && seen == 100 {
                break;
            }
        }
    }
    Ok(())
}

async fn copies(own: &mut Own, connection: &mut PgConnection, rounds: i32) -> Result<()> {
    own.begin("copy");
    for _ in 0..rounds {
        own.call(2);
        let mut sink = connection.copy_in_raw("copy event (item, body) from stdin").await?;
        sink.send("1\tcopied\n".repeat(200).as_bytes()).await?;
        sink.finish().await?;
        let out = connection.copy_out_raw("copy (select id, name from item) to stdout").await?;
        out.try_collect::<Vec<_>>().await?;
    }
    Ok(())
}

async fn durations(connection: &mut PgConnection) -> Result<()> {
    for (what, sql, times) in own::LENGTHS {
        sqlx::query(sql).fetch_all(&mut *connection).await?;
        for _ in 0..times {
            let began = clock::monotonic();
            sqlx::query(sql).fetch_all(&mut *connection).await?;
            let ended = clock::monotonic();
            println!("took {began} {ended} {what}");
        }
    }
    Ok(())
}
