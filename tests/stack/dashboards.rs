//! Dashboards: Grafana's own types allow and keep all that they say, and every question of theirs has an answer.
//!
//! The answers come from a real Prometheus that scrapes a real agent. Variables stand for everything; what *this week against
//! last* looks back by is half a minute.

use std::{fs, process::Command, thread, time::Duration};

use anyhow::{Context as _, Result, anyhow, ensure};
use poolwatch_tests::{
    agent::Agent,
    client::Client,
    clock, need,
    need::Feature,
    place,
    postgres::{Server, Way},
    process,
    stack::{
        dashboard::{self, Dashboard},
        prometheus::{self, Prometheus},
    },
    truth::{
        load::{Arrivals, Load},
        mix::Mix,
        rig::{Rig, Running, USER},
        run::{Level, Plan},
    },
};

const POOL: u32 = 3;
/// What is asked for at once is more than the pool has.
const USERS: u32 = 9;
/// Rates over a minute, and the same half a minute ago, need some scrapes before that.
const LOADED: f64 = 50.0;
/// After that everything has an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A question that has no answer yet.
struct Open {
    whose: String,
    question: Question,
}

enum Question {
    Expression(String),
    Variable(dashboard::Variable),
}

impl Question {
    /// How many series or values; what is no number is no answer.
    fn answers(&self, prometheus: &Prometheus) -> Result<usize> {
        match self {
            Self::Expression(expression) => {
                Ok(prometheus.ask(expression)?.iter().filter(|(_, value)| !value.is_nan()).count())
            }
            Self::Variable(variable) => Ok(prometheus.label_values(&variable.label, &variable.series)?.len()),
        }
    }
}

fn questions() -> Result<Vec<Open>> {
    let mut open = Vec::new();
    for dashboard in Dashboard::all()? {
        let name = &dashboard.name;
        for (title, expression) in dashboard.expressions()? {
            let whose = format!("{name}, {title}: {expression}");
            open.push(Open { whose, question: Question::Expression(expression) });
        }
        for variable in dashboard.variables()? {
            let whose = format!("{name}, ${}: {variable:?}", variable.name);
            open.push(Open { whose, question: Question::Variable(variable) });
        }
    }
    Ok(open)
}

/// Asks until nothing is open; what still is, when the time is over.
fn ask_all(prometheus: &Prometheus, mut open: Vec<Open>) -> Result<Vec<Open>> {
    let deadline = clock::Deadline::after(PATIENCE);
    while !open.is_empty() && !deadline.passed() {
        let mut still = Vec::new();
        for asked in open {
            if asked.question.answers(prometheus).with_context(|| asked.whose.clone())? == 0 {
                still.push(asked);
            }
        }
        open = still;
        clock::pause(Duration::from_millis(500));
    }
    Ok(open)
}

/// A server with a size, the node's own name for it, and nothing else.
fn configuration(server: &Server) -> String {
    let port = server.port();
    format!("[[server]]\naddress = \"127.0.0.1\"\nport = {port}\nmax_connections = 200\n")
}

/// A query that the server refuses.
fn fail(server: &Server) -> Result<()> {
    let mut client = Client::start(Some("shown-failing"))?;
    client.open("a", &server.address_of(Way::Tcp4, USER, "postgres"))?;
    ensure!(client.query("a", "select 1/0").is_err(), "one divided by nothing");
    client.close("a")?;
    Ok(())
}

#[test]
fn every_expression_and_variable_has_an_answer() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Node, Feature::Prometheus);
    let server = Server::start()?;
    server.role(USER)?;
    let directory = place::scratch()?;
    let config = directory.path().join("poolwatch.toml");
    fs::write(&config, configuration(&server))?;
    let config = config.to_str().context("a path in UTF-8")?;
    let agent = Agent::start(["--config", config, "--service", "shown-*", "--pool-max", &POOL.to_string()])?;
    let labels = "region: eu, cluster: blue, k8s_namespace_name: shop";
    let example = prometheus::with_labels(prometheus::example(&agent, None)?, labels)?;
    let prometheus = Prometheus::start(example.text())?;
    let environment = vec![("OTEL_SERVICE_NAME", "shown-node-pg".to_owned())];
    let plan = Plan { pool: POOL, environment, ..Plan::new(Rig::NodePg, Mix::B, Level::Users(USERS)) };
    let rig = Running::start(&plan, &server)?;

    let open = questions()?;
    let asked = open.len();
    let load = Load {
        arrivals: Arrivals::Users(USERS, 10.0),
        mix: Mix::B,
        ms: 30.0,
        even: false,
        seconds: LOADED,
        seed: 7,
    };
    let open = thread::scope(|scope| {
        let loading = scope.spawn(|| load.run(&rig.target));
        // The second is what a rate sees: of the first, the series begins with it.
        prometheus.ask_until("count(db_client_operation_duration_seconds_count)", |n| n > 0.5)?;
        fail(&server)?;
        let failed = "sum(db_client_operation_duration_seconds_count{error_type=\"22012\"})";
        prometheus.ask_until(failed, |failed| failed > 0.5)?;
        fail(&server)?;
        let open = ask_all(&prometheus, open)?;
        loading.join().map_err(|_| anyhow!("a panic under load"))??.all_good()?;
        anyhow::Ok(open)
    })?;
    println!("{asked} expressions and variables, {} without an answer", open.len());
    let lines: Vec<&str> = open.iter().map(|open| open.whose.as_str()).collect();
    ensure!(lines.is_empty(), "no answer:\n{}", lines.join("\n"));
    Ok(())
}

#[test]
fn grafana_allows_and_keeps_every_value() -> Result<()> {
    need!(Feature::Grafana);
    let home = place::apps().join("dashboards");
    let directory = place::scratch()?;
    let schema = directory.path().join("schema.json");
    let mut generator = Command::new("node");
    generator.arg(home.join("node_modules/ts-json-schema-generator/bin/ts-json-schema-generator.js"));
    generator.args(["--type", "Wanted", "--path"]).arg(home.join("wanted.ts")).arg("--out").arg(&schema);
    process::run("the schema", &mut generator, Duration::from_mins(1))?.success("the schema")?;
    let mut check = Command::new(need::python()?);
    check.arg(home.join("check.py")).arg(&schema).args(dashboard::files()?);
    let answer = process::run("check.py", &mut check, Duration::from_mins(1))?;
    println!("{}{}", answer.output, answer.errors);
    ensure!(answer.code == 0, "what Grafana does not allow or keep: see above");
    Ok(())
}
