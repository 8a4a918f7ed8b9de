//! tokio-postgres: prepared, a hundred queries in flight on one connection, portals, COPY.
//!
//! In comes the environment: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, `WIRE_WHAT` (`calls` or
//! `durations`), `WIRE_CALLS` (about), `WIRE_SEED` and `WIRE_TLS` (`native-tls`, `rustls`; without it, no TLS). Out goes one line of JSON by this program's own count.

mod tls;

use std::pin::pin;

use anyhow::{Context as _, Result};
use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _, future::join_all};
use poolwatch_tests::{
    clock,
    wire::own::{self, Own},
};
use tokio_postgres::{
    Client, Config, NoTls, Socket,
    binary_copy::BinaryCopyInWriter,
    config::SslMode,
    tls::MakeTlsConnect,
    types::{ToSql, Type},
};

const SELECT: &str = "select name, amount from item where id = $1";
const RANGE: &str = "select id, name from item where amount between $1 and $2 order by id limit 50";
const INSERT: &str = "insert into event (item, body) values ($1, $2) returning id";
const UPDATE: &str = "update item set amount = amount + $1 where id = $2";
const DELETE: &str = "delete from event where item = $1 and id % 7 = 3";
const TWICE: &str = "insert into item (id, name) values ($1, $2)";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut own = Own::new("tokio-postgres", "0.7");
    let mut client = connect().await?;
    if own::durations() {
        durations(&client).await?;
    } else {
        let calls = own::calls();
        mix(&mut own, &mut client, calls / 20).await?;
        prepared(&mut own, &client, calls / 10).await?;
        pipelined(&mut own, &client, calls / 500).await?;
        simple(&mut own, &client, calls / 20).await?;
        portals(&mut own, &mut client, calls / 200).await?;
        copies(&mut own, &client, calls / 200).await?;
    }
    own.tell()
}

async fn connect() -> Result<Client> {
    let mut config = Config::new();
    config.host(own::variable("PGHOST")?).port(own::variable("PGPORT")?.parse()?);
    config.user(own::variable("PGUSER")?).dbname(own::variable("PGDATABASE")?);
    if let Ok(password) = own::variable("PGPASSWORD") {
        config.password(password);
    }
    match own::variable("WIRE_TLS").unwrap_or_default().as_str() {
        "native-tls" => through(&config, tls::native()?).await,
        "rustls" => through(&config, tls::rustls()?).await,
        _ => {
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(connection);
            Ok(client)
        }
    }
}

async fn through<T: MakeTlsConnect<Socket>>(config: &Config, tls: T) -> Result<Client>
where
    T::Stream: Send + 'static,
{
    let mut config = config.clone();
    let (client, connection) = config.ssl_mode(SslMode::Require).connect(tls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn run(own: &mut Own, client: &Client, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<()> {
    own.call(1);
    client.query(sql, values).await?;
    Ok(())
}

async fn mix(own: &mut Own, client: &mut Client, rounds: i32) -> Result<()> {
    own.begin("prepared for each");
    for number in 0..rounds {
        run(own, client, SELECT, &[&own::item()]).await?;
        run(own, client, RANGE, &[&own::item(), &own::item()]).await?;
        run(own, client, INSERT, &[&own::item(), &format!("of round {number}")]).await?;
        run(own, client, UPDATE, &[&number, &own::item()]).await?;
        run(own, client, DELETE, &[&own::item()]).await?;
        if number % 5 == 0 {
            transactions(own, client).await?;
        }
        if number % 20 == 0 {
            own.fails(&client.query("selec name from item where id = 3", &[]).await);
            own.fails(&client.query("select 1 / (id - id) from item where id = $1", &[&own::item()]).await);
            own.fails(&client.query(TWICE, &[&own::item(), &"there already"]).await);
            own.empty();
            client.query("", &[]).await?;
            run(own, client, "select id, repeat('wide', 20) from item, generate_series(1, 3)", &[]).await?;
        }
    }
    Ok(())
}

async fn transactions(own: &mut Own, client: &mut Client) -> Result<()> {
    own.call(6);
    let mut outer = client.transaction().await?;
    outer.execute(UPDATE, &[&1, &own::item()]).await?;
    let inner = outer.savepoint("here").await?;
    own.fails(&inner.execute(TWICE, &[&1, &"there already"]).await);
    inner.rollback().await?;
    outer.execute(INSERT, &[&own::item(), &"kept"]).await?;
    outer.commit().await?;
    own.call(3);
    let undone = client.transaction().await?;
    undone.execute(INSERT, &[&own::item(), &"not kept"]).await?;
    undone.rollback().await?;
    Ok(())
}

async fn prepared(own: &mut Own, client: &Client, rounds: i32) -> Result<()> {
    own.begin("prepared once");
    let (select, update) = (client.prepare(SELECT).await?, client.prepare(UPDATE).await?);
    for number in 0..rounds {
        own.call(2);
        client.query(&select, &[&own::item()]).await?;
        client.execute(&update, &[&number, &own::item()]).await?;
    }
    Ok(())
}

async fn pipelined(own: &mut Own, client: &Client, rounds: i32) -> Result<()> {
    own.begin("a hundred in flight");
    let select = client.prepare(SELECT).await?;
    let divide = client.prepare("select 7 / $1::int4 from item where id = 1").await?;
    for number in 0..rounds {
        own.call(100);
        let items: Vec<i32> = (0..100).map(|_| own::item()).collect();
        let parameters: Vec<[&(dyn ToSql + Sync); 1]> = items.iter().map(|id| [id as _]).collect();
        let asked = join_all(parameters.iter().map(|one| client.query(&select, one))).await;
        asked.into_iter().collect::<Result<Vec<_>, _>>()?;
        if number % 4 == 0 {
            own.call(2);
            let (before, broken, after) = tokio::join!(
                client.query(&select, &[&1]),
                client.query(&divide, &[&0]),
                client.query(&select, &[&2])
            );
            own.fails(&broken);
            before.and(after)?;
        }
    }
    Ok(())
}

async fn simple(own: &mut Own, client: &Client, rounds: i32) -> Result<()> {
    own.begin("simple");
    for number in 0..rounds {
        own.call(4);
        client.simple_query(&format!("select name from item where id = {}", own::item())).await?;
        let several =
            format!("select {number}; update item set note = 'it''s {number}' where id = 5; select 'b'");
        client.batch_execute(&several).await?;
        if number % 20 == 0 {
            own.call(1);
            own.fails(&client.simple_query("/* completes 1 */ select 2; select 3 / 0; select 4").await);
            own.empty();
            client.simple_query(";").await?;
        }
    }
    Ok(())
}

async fn portals(own: &mut Own, client: &mut Client, rounds: i32) -> Result<()> {
    own.begin("portals");
    for _ in 0..rounds {
        own.call(4);
        let transaction = client.transaction().await?;
        let whole = transaction.bind("select id, name from item order by id", &[]).await?;
        while !transaction.query_portal(&whole, 300).await?.is_empty() {}
        // Left before its end: suspended when the transaction ends.
        let left = transaction.bind("select id from item where id > $1 order by id", &[&100]).await?;
        let mut rows = pin!(transaction.query_portal_raw(&left, 20).await?);
        while rows.next().await.transpose()?.is_some() {}
        transaction.commit().await?;
    }
    Ok(())
}

async fn copies(own: &mut Own, client: &Client, rounds: i32) -> Result<()> {
    own.begin("copy");
    for _ in 0..rounds {
        own.call(3);
        let sink = client.copy_in("copy event (item, body) from stdin (format binary)").await?;
        let mut rows = pin!(BinaryCopyInWriter::new(sink, &[Type::INT4, Type::TEXT]));
        for number in 0..200 {
            rows.as_mut().write(&[&number, &"copied"]).await?;
        }
        rows.finish().await?;
        let mut text = pin!(client.copy_in::<_, bytes::Bytes>("copy event (item, body) from stdin").await?);
        text.send(bytes::Bytes::from("1\tcopied\n".repeat(300))).await?;
        text.finish().await?;
        let out = client.copy_out("copy (select id, name from item) to stdout").await?;
        out.try_collect::<Vec<_>>().await?;
    }
    Ok(())
}

async fn durations(client: &Client) -> Result<()> {
    for (what, sql, times) in own::LENGTHS {
        let statement = client.prepare(sql).await.context(what)?;
        for _ in 0..times {
            let began = clock::monotonic();
            client.query(&statement, &[]).await?;
            let ended = clock::monotonic();
            println!("took {began} {ended} {what}");
        }
    }
    Ok(())
}
