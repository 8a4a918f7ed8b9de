//! An exhausted pool wakes somebody within 30 seconds, and when it has recovered they are told.
//!
//! Everything on the way is real and as it is shipped: the pool, the agent, the scrape every 5 s, the rules of `alerts/`,
//! Prometheus, Alertmanager with the example of `deploy/`. Two pools at once: one with queries of a millisecond, one with slow
//! ones. `POOLWATCH_WOKEN_RUNS=3` repeats it (`cargo xtask stack --measure`).

use std::{env, thread};

use anyhow::{Context as _, Result, anyhow, ensure};
use poolwatch_tests::{
    agent::Agent,
    need,
    need::Feature,
    postgres::Server,
    stack::{
        alertmanager::Alertmanager,
        breach::{ALERT, FAST, SLOW, Strained, Woken},
        prometheus::{self, Prometheus},
        receiver::Receiver,
    },
    truth::rig::{Rig, USER},
};

/// From the breach to the webhook, in seconds.
const WOKEN: f64 = 30.0;
/// From the recovery to the word that it is over: the example's group waits a minute between two messages.
const RESOLVED: f64 = 90.0;
/// The least share of the time for which the pool is exhausted by its own count.
const EXHAUSTED: f64 = 0.9;

fn runs() -> Result<u64> {
    match env::var("POOLWATCH_WOKEN_RUNS") {
        Ok(runs) => runs.parse().context("POOLWATCH_WOKEN_RUNS"),
        Err(_) => Ok(1),
    }
}

/// Both at once.
fn exhaust(pools: &[Strained], receiver: &Receiver, seed: u64) -> Result<Vec<Woken>> {
    thread::scope(|scope| {
        let runs: Vec<_> =
            pools.iter().map(|pool| scope.spawn(move || pool.exhaust(receiver, seed))).collect();
        runs.into_iter().map(|run| run.join().map_err(|_| anyhow!("a panic under load"))?).collect()
    })
}

fn judge(woken: &Woken) -> Result<()> {
    ensure!(woken.exhausted >= EXHAUSTED, "the pool was not really exhausted: {woken}");
    ensure!((0.0..=WOKEN).contains(&woken.woken), "nobody was woken in {WOKEN} s: {woken}");
    ensure!((0.0..=RESOLVED).contains(&woken.resolved), "nobody was told in {RESOLVED} s: {woken}");
    Ok(())
}

/// Everybody who is to be woken is: the chat, too.
fn chat_is_told(receiver: &Receiver) -> Result<()> {
    let told = receiver.messages();
    let said = told.iter().filter(|message| message.path == "/slack").map(|message| message.body.to_string());
    let said: Vec<String> = said.collect();
    for word in ["FIRING", "RESOLVED"] {
        let begins = format!("{word}: {ALERT}");
        ensure!(said.iter().any(|text| text.contains(&begins)), "no {begins:?} in {said:#?}");
    }
    Ok(())
}

#[test]
fn an_exhausted_pool_wakes_somebody_within_30_seconds() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Node, Feature::Prometheus, Feature::Alertmanager);
    let server = Server::start()?;
    server.role(USER)?;
    let sizes = [FAST, SLOW].map(|strain| format!("{}={}", strain.service, strain.pool));
    let of_sizes = sizes.iter().flat_map(|size| ["--pool-max", size.as_str()]);
    let of_services = [FAST, SLOW].into_iter().flat_map(|strain| ["--service", strain.service]);
    let agent = Agent::start(of_services.chain(of_sizes))?;
    let receiver = Receiver::start()?;
    let alertmanager = Alertmanager::start(&receiver)?;
    let config = prometheus::example(&agent, Some(&alertmanager.address()))?;
    let prometheus = Prometheus::start(config.text())?;
    prometheus.ask_until("up{job=\"poolwatch\"}", |up| up > 0.5)?;
    let pools = [Strained::start(Rig::NodePg, FAST, &server)?, Strained::start(Rig::NodePg, SLOW, &server)?];

    println!("{}", Woken::HEAD);
    let mut all = Vec::new();
    for seed in 1..=runs()? {
        let woken = exhaust(&pools, &receiver, seed).with_context(|| state(&prometheus, &alertmanager))?;
        for woken in &woken {
            println!("{woken}");
        }
        all.extend(woken);
    }
    all.iter().try_for_each(judge)?;
    chat_is_told(&receiver)?;
    let (code, log) = prometheus.terminate()?;
    ensure!(code == 0 && !log.to_lowercase().contains("error"), "Prometheus complains ({code}):\n{log}");
    Ok(())
}

/// What led to the alert, or did not.
fn state(prometheus: &Prometheus, alertmanager: &Alertmanager) -> String {
    let asked = [
        "ALERTS",
        "db_client_connection_pending_requests[1m]",
        "poolwatch_pool_utilization_ratio[1m]",
        "poolwatch_pool_wait_evidence_info",
    ];
    let told = asked.map(|expression| format!("{expression}: {}", prometheus.tell(expression)));
    format!("{}\n{}{}", told.join("\n"), prometheus.errors(), alertmanager.errors())
}
