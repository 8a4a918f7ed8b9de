//! What the rigs in Rust share: a small web server that borrows from a real pool, and the truth about each borrower.
//!
//! A page says how long everything takes: `ms` the query (for `/tx` and `/held` halved round a pause of `gap`),
//! `pre` before the pool is asked, `post` after the connection is back; all in milliseconds.
//! GET `/truth` gives `S at used idle waiting total` each 10 ms by the library's own count, `-` where it has none,
//! and `B asked got back route end` for each borrower. Nanoseconds of `CLOCK_MONOTONIC`.

use std::{
    env,
    fmt::{Display, Write as _},
    future::Future,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use axum::{
    Router,
    extract::{Path, Query},
    http::StatusCode,
    routing::get,
};
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::clock;

/// Why a borrower has no connection.
pub enum Refused {
    /// It waited as long as it may.
    TimedOut(anyhow::Error),
    /// Something else.
    Failed(anyhow::Error),
}

/// The library's own counters: used, idle, waiting, total.
pub type Counters = [Option<usize>; 4];

/// The library's side.
pub trait Pool: Clone + Send + Sync + 'static {
    /// A borrowed connection; dropped, it is given back.
    type Connection: Send;
    /// Borrows one.
    fn acquire(&self) -> impl Future<Output = Result<Self::Connection, Refused>> + Send;
    /// One query of that many seconds.
    fn sleep(connection: &mut Self::Connection, seconds: f64) -> impl Future<Output = Result<()>> + Send;
    /// The two halves in one transaction.
    fn transaction(
        connection: &mut Self::Connection,
        halves: Halves,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Gives it back, and says when that is done.
    fn give_back(connection: Self::Connection, done: impl FnOnce() + Send + 'static) {
        drop(connection);
        done();
    }
    /// What it counts.
    fn counters(&self) -> Counters;
}

/// Two queries and the pause between.
#[derive(Clone, Copy, Debug)]
pub struct Halves {
    /// Each, in seconds.
    pub seconds: f64,
    /// In milliseconds.
    pub gap: f64,
}

/// What a page is asked.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    ms: f64,
    gap: f64,
    pre: f64,
    post: f64,
}

static ROWS: Mutex<String> = Mutex::new(String::new());

fn note(row: impl Display) {
    let mut rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    // Writing to a string cannot fail.
    let _ = writeln!(rows, "{row}");
}

/// Lets milliseconds go by.
pub async fn pause(ms: f64) {
    if ms > 0.0 {
        tokio::time::sleep(Duration::from_secs_f64(ms / 1e3)).await;
    }
}

/// A number of the environment.
pub fn number(name: &str, otherwise: u32) -> u32 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

async fn sample(pool: impl Pool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    loop {
        ticks.tick().await;
        let show = |number: Option<usize>| number.map_or("-".to_owned(), |number| number.to_string());
        let [used, idle, waiting, total] = pool.counters().map(show);
        note(format_args!("S {} {used} {idle} {waiting} {total}", clock::monotonic()));
    }
}

/// What a borrower does with its connection.
#[derive(Clone, Copy, Debug)]
enum Work {
    Plain,
    Transaction,
    Held,
}

async fn work<P: Pool>(connection: &mut P::Connection, work: Work, asked: Asked) -> Result<()> {
    let halves = Halves { seconds: asked.ms / 2e3, gap: asked.gap };
    match work {
        Work::Plain => P::sleep(connection, asked.ms / 1e3).await,
        Work::Transaction => P::transaction(connection, halves).await,
        Work::Held => {
            P::sleep(connection, halves.seconds).await?;
            pause(halves.gap).await;
            P::sleep(connection, halves.seconds).await
        }
    }
}

async fn borrow<P: Pool>(pool: &P, route: &str, kind: Work, asked: Asked) -> Result<()> {
    let began = clock::monotonic();
    let acquired = pool.acquire().await;
    let got = clock::monotonic();
    let (error, end) = match acquired {
        Ok(mut connection) => {
            let done = work::<P>(&mut connection, kind, asked).await;
            let route = route.to_owned();
            P::give_back(connection, move || {
                note(format_args!("B {began} {got} {} {route} ok", clock::monotonic()));
            });
            return done;
        }
        Err(Refused::TimedOut(error)) => (error, "timeout"),
        Err(Refused::Failed(error)) => (error, "error"),
    };
    note(format_args!("B {began} {got} 0 {route} {end}"));
    Err(error)
}

async fn page<P: Pool>(pool: P, route: String, asked: Asked) -> (StatusCode, String) {
    pause(asked.pre).await;
    let done = match route.as_str() {
        "truth" => {
            return (StatusCode::OK, ROWS.lock().unwrap_or_else(PoisonError::into_inner).clone());
        }
        "none" => {
            pause(asked.ms).await;
            Ok(())
        }
        "plain" => borrow(&pool, &route, Work::Plain, asked).await,
        "tx" => borrow(&pool, &route, Work::Transaction, asked).await,
        "held" => borrow(&pool, &route, Work::Held, asked).await,
        _ => return (StatusCode::NOT_FOUND, "no such page".to_owned()),
    };
    pause(asked.post).await;
    match done {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}")),
    }
}

/// Answers until the process is ended.
pub async fn serve(pool: impl Pool) -> Result<()> {
    tokio::spawn(sample(pool.clone()));
    let answer =
        move |Path(route): Path<String>, Query(asked): Query<Asked>| page(pool.clone(), route, asked);
    let port = u16::try_from(number("PORT", 0))?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening {}", listener.local_addr()?.port());
    Ok(axum::serve(listener, Router::new().route("/{route}", get(answer))).await?)
}
