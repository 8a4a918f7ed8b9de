//! A thousand clients of the HTTP port that never finish their requests keep neither others out nor the agent from counting.

#![allow(clippy::float_cmp, reason = "counts are whole numbers, exact in a float")]

use std::{
    io::Write as _,
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use poolwatch_tests::{
    agent::Agent,
    clock, need,
    need::Feature,
    postgres::{Bench, Server, Way},
};

/// More than four times what is served at once.
const CLIENTS: usize = 1000;
/// Between two bytes of one of them.
const TRICKLE: Duration = Duration::from_millis(500);
const PER_CLIENT: u32 = 5000;
/// pgbench's own questions before it begins.
const SET_UP: u64 = 2;
const REQUESTS: &str = "db_client_operation_duration_seconds_count";

fn slow_client(port: u16) -> Result<TcpStream> {
    let mut client = TcpStream::connect(("127.0.0.1", port)).context("the port listens")?;
    client.write_all(b"GET /metrics HTTP/1.1\r\nX: ").context("a new client is let in")?;
    Ok(client)
}

/// Keeps them all there, however often they are sent away; how many times that was.
fn crowd(mut clients: Vec<TcpStream>, port: u16, over: &AtomicBool) -> Result<u64> {
    let mut sent_away = 0;
    while !over.load(Ordering::Relaxed) {
        clock::pause(TRICKLE);
        for client in &mut clients {
            if client.write_all(b"x").is_err() {
                *client = slow_client(port)?;
                sent_away += 1;
            }
        }
    }
    Ok(sent_away)
}

#[test]
fn a_thousand_slow_clients_disturb_neither_scrapes_nor_counts() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let server = Server::start()?;
    server.role("bench")?;
    server.psql("postgres", "create database bench owner bench")?;
    server.bench_tables("bench", "bench")?;
    let agent = Agent::start::<&str>([])?;
    let clients = (0..CLIENTS).map(|_| slow_client(agent.port())).collect::<Result<Vec<_>>>()?;
    let over = AtomicBool::new(false);
    let (made, scraped, sent_away) = thread::scope(|scope| {
        let crowd = scope.spawn(|| crowd(clients, agent.port(), &over));
        let bench = scope.spawn(|| {
            let bench = Bench {
                way: Way::Tcp4,
                user: "bench",
                database: "bench",
                mode: "simple",
                clients: 4,
                transactions: PER_CLIENT,
            };
            let made = server.bench(&bench);
            clock::pause(TRICKLE * 4);
            over.store(true, Ordering::Relaxed);
            made
        });
        let mut scraped = 0;
        while !over.load(Ordering::Relaxed) {
            agent.metrics().context("a scrape among the slow")?;
            scraped += 1;
            clock::pause(Duration::from_millis(100));
        }
        let made = bench.join().map_err(|_| anyhow!("a panic of the bench"))??;
        let sent_away = crowd.join().map_err(|_| anyhow!("a panic of the crowd"))??;
        Ok::<_, anyhow::Error>((made, scraped, sent_away))
    })?;
    let all = (made + SET_UP) as f64;
    let of_bench = [("service_name", "pgbench")];
    let page = agent.metrics_when("every request", |page| page.sum(REQUESTS, &of_bench) >= all)?;
    let counted = page.sum(REQUESTS, &of_bench);
    let lost = page.sum("poolwatch_events_lost_total", &[]);
    println!(
        "{counted} of {all} requests counted, {lost} lost; {scraped} scrapes, {sent_away} slow clients sent away"
    );
    ensure!(counted == all && lost == 0.0, "{counted} of {all} counted, {lost} lost");
    ensure!(scraped >= 10 && sent_away > 0, "{scraped} scrapes beside {sent_away} clients sent away");
    Ok(())
}
