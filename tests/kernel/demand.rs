//! What a process is asked for on sockets that it accepted, as the probes tell it: one demand per request.
//!
//! Real servers with real connections; what they are asked is counted by who asks.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use poolwatch::event::Protocol;
use poolwatch_tests::{
    app::{App, Kind, Load, Pool},
    client::Client,
    clock,
    demand::{Asked, Recorder, Server as Asking, Story},
    need,
    need::Feature,
    place,
    postgres::{Server, Way},
    process,
};

const LOAD: Load = Load { rate: 60.0, mean_milliseconds: 10.0, seconds: 3.0, seed: 4 };

fn load(kind: Kind, tier: &str) -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, kind.feature());
    let recorder = Recorder::start(&["--probes", tier, "--service", "demanded"])?;
    let server = Server::start()?;
    let pool = Pool { way: Way::Tcp4, user: "postgres", database: "postgres", size: 3 };
    let app = App::start(kind, "demanded", &server, &pool)?;
    // The first request opens the first connection: before that the process is nobody's.
    app.borrow_at_once(1, 1)?;
    let summary = LOAD.run(&app)?;
    let story = recorder.stop()?;
    let took: Vec<u64> = story.asked.iter().filter_map(Asked::took).collect();
    let mean = took.iter().sum::<u64>() as f64 / took.len().max(1) as f64 / 1e6;
    println!(
        "{kind:?} {tier}: {} requests of {:.2} ms; {} demands of {mean:.2} ms, {} begun, {} database requests",
        summary.requests,
        summary.mean_ms,
        story.asked.len(),
        story.begun.len(),
        story.requests.len()
    );
    ensure!(story.asked.len() as u64 == summary.requests, "one demand per request");
    ensure!(took.len() == story.asked.len(), "each is served");
    ensure!(mean < summary.mean_ms, "a demand is no longer than its client's wait");
    let queries = story.requests.iter().filter_map(|r| Some(r.ended - r.started?)).sum::<u64>() as f64;
    ensure!(queries / 1e6 / (took.len() as f64) < mean, "nor shorter than its query");
    let routes: BTreeSet<_> = story.asked.iter().map(Asked::route).collect();
    ensure!(routes.len() == 1 && !routes.contains(&None), "one route: {routes:?}");
    story.begun_is_requested()
}

#[test]
fn a_thread_server_is_asked_as_often_as_its_load_says() -> Result<()> {
    load(Kind::Python, "sock")
}

#[test]
fn the_syscall_tier_sees_the_same_of_a_thread_server() -> Result<()> {
    load(Kind::Python, "syscall")
}

#[test]
fn an_event_loop_is_asked_as_often_as_its_load_says() -> Result<()> {
    load(Kind::Node, "sock")
}

#[test]
fn the_syscall_tier_sees_the_same_of_an_event_loop() -> Result<()> {
    load(Kind::Node, "syscall")
}

/// A server that is known to the agent, and the agent.
fn scene(more: &[&str]) -> Result<(Server, Recorder, Asking)> {
    let recorder = Recorder::start(&[&["--service", "asked"], more].concat())?;
    let server = Server::start()?;
    let asking = Asking::start(&server)?;
    Ok((server, recorder, asking))
}

fn connect(asking: &Asking) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", asking.port)).context("the server listens")?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Asks, and reads until `end` came.
fn ask(stream: &mut (impl Read + Write), text: &str, end: &str) -> Result<String> {
    stream.write_all(text.as_bytes())?;
    let mut answer = String::new();
    let mut bytes = [0; 4096];
    while !answer.ends_with(end) {
        let length = stream.read(&mut bytes).context("an answer")?;
        ensure!(length > 0, "closed after {answer:?}");
        answer.push_str(&String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()));
    }
    Ok(answer)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

fn served(story: &Story) -> usize {
    story.asked.iter().filter(|asked| asked.took().is_some()).count()
}

fn routes(story: &Story) -> Vec<Option<u32>> {
    story.asked.iter().map(Asked::route).collect()
}

#[test]
fn connections_kept_new_and_over_unix_sockets() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Python);
    for tier in ["sock", "syscall"] {
        let (_server, recorder, asking) = scene(&["--probes", tier])?;
        let mut kept = connect(&asking)?;
        let mut local = UnixStream::connect(&asking.path)?;
        for _ in 0..5 {
            ask(&mut kept, &get("/query"), "ok")?;
            ask(&mut local, &get("/query"), "ok")?;
            ask(&mut connect(&asking)?, &get("/query"), "ok")?;
            ask(&mut UnixStream::connect(&asking.path)?, &get("/query"), "ok")?;
        }
        let story = recorder.stop()?;
        println!(
            "{tier}: {} demands, {} served, {} begun",
            story.asked.len(),
            served(&story),
            story.begun.len()
        );
        ensure!(story.asked.len() == 20 && served(&story) == 20 && story.begun.len() == 20, "{story:#?}");
        let sockets: BTreeSet<_> = story.asked.iter().map(|asked| asked.demand.socket).collect();
        ensure!(sockets.len() == 12, "two kept connections and ten new ones: {sockets:?}");
        story.begun_is_requested()?;
    }
    Ok(())
}

#[test]
fn routes_are_told_apart_and_things_are_not() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Python);
    let (_server, recorder, asking) = scene(&[])?;
    let mut stream = connect(&asking)?;
    let same =
        ["/users/17", "/users/4", "/users/17?a=b", "/users/0123456789-0123456789-abcdef", "/users/5/x/y"];
    let others = ["/users", "/users/new", "/", "/users/new/x", "/items/17"];
    for path in same.iter().chain(&others) {
        ask(&mut stream, &get(path), "ok")?;
    }
    ask(&mut stream, "POST /users/17 HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", "ok")?;
    ask(&mut stream, &get("/users/9"), "ok")?;
    let story = recorder.stop()?;
    let found = routes(&story);
    println!("{found:?}");
    let (first, rest) = found.split_at_checked(same.len()).context("as many demands as requests")?;
    ensure!(rest.len() == others.len() + 2, "each is one demand: {found:?}");
    let one: BTreeSet<_> = first.iter().chain(rest.last()).collect();
    ensure!(one.len() == 1 && !one.contains(&None), "one route for all users: {one:?}");
    let all: BTreeSet<_> = found.iter().collect();
    // What stands behind the second part does not count.
    ensure!(all.len() == 1 + others.len() - 1 + 1, "each other route is one: {all:?}");
    Ok(())
}

#[test]
fn a_byte_that_is_read_alone_is_no_demand_of_its_own() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Python);
    for tier in ["sock", "syscall"] {
        let (_server, recorder, asking) = scene(&["--probes", tier])?;
        let mut stream = connect(&asking)?;
        ask(&mut stream, &get("/query"), "ok")?;
        ask(&mut stream, &get("/byte"), "ok")?;
        for _ in 0..5 {
            ask(&mut stream, &get("/query"), "ok")?;
        }
        let story = recorder.stop()?;
        ensure!(story.asked.len() == 7 && served(&story) == 7, "{:#?}", story.asked);
        let again = story.asked.iter().filter(|asked| asked.again.is_some()).count();
        println!("{tier}: {again} demands told again, routes {:?}", routes(&story));
        ensure!(again == 5, "the five of which a byte came first");
        let queries: BTreeSet<_> = story
            .asked
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != 1)
            .map(|(_, asked)| asked.route())
            .collect();
        ensure!(queries.len() == 1 && !queries.contains(&None), "{queries:?}");
    }
    Ok(())
}

#[test]
fn interim_responses_streams_and_other_protocols() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Python);
    let (_server, recorder, asking) = scene(&[])?;
    let mut stream = connect(&asking)?;
    let head = "POST /continue HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    ask(&mut stream, head, "100 Continue\r\n\r\n")?;
    ask(&mut stream, "abc", "ok")?;
    ask(&mut stream, &get("/events"), "okdata: more\n\ndata: more\n\ndata: more\n\n")?;
    // The body comes after the answer: it is not the next request.
    ask(&mut stream, "POST /early HTTP/1.1\r\nContent-Length: 3\r\n\r\n", "ok")?;
    ask(&mut stream, "abc", "done")?;
    ask(&mut stream, &get("/"), "ok")?;
    let mut socket = connect(&asking)?;
    ask(&mut socket, &get("/upgrade"), "\r\n\r\n")?;
    for _ in 0..3 {
        ask(&mut socket, "ping", "ping")?;
    }
    let mut many = connect(&asking)?;
    ask(&mut many, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "ok")?;
    ask(&mut many, &get("/"), "ok")?;
    let mut other = connect(&asking)?;
    for _ in 0..4 {
        ask(&mut other, "\u{1}hello", "ok")?;
    }
    let story = recorder.stop()?;
    for asked in &story.asked {
        println!("{:?} {:?} {:?}", asked.demand.protocol, asked.route(), asked.took());
    }
    let of =
        |protocol: Protocol| story.asked.iter().filter(|a| a.demand.protocol == protocol).collect::<Vec<_>>();
    let (http, http2, other) = (of(Protocol::Http), of(Protocol::Http2), of(Protocol::Other));
    ensure!(http.len() == 5 && http.iter().all(|asked| asked.took().is_some()), "{http:#?}");
    ensure!(http2.len() == 1 && http2.iter().all(|asked| asked.served.is_none()), "told once: {http2:#?}");
    ensure!(other.len() == 4 && other.iter().all(|asked| asked.took().is_some()), "{other:#?}");
    let continued = http.first().and_then(|asked| asked.took()).unwrap_or(0);
    ensure!(continued > 20_000_000, "an interim response is none: {continued} ns");
    Ok(())
}

/// A frame of HTTP/2 whose bytes are all below 128.
fn frame(kind: u8, flags: u8, stream: u8, body: &str) -> String {
    let head = [0, 0, u8::try_from(body.len()).unwrap_or(0), kind, flags, 0, 0, 0, stream];
    head.into_iter().map(char::from).chain(body.chars()).collect()
}

#[test]
fn each_stream_of_http_2_is_a_demand() -> Result<()> {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    need!(Feature::Probes, Feature::Postgres, Feature::Python);
    for tier in ["sock", "syscall"] {
        let (_server, recorder, asking) = scene(&["--probes", tier])?;
        let mut many = connect(&asking)?;
        // What it answers are six bytes in all, no whole head of a frame.
        let begin = format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{}", frame(SETTINGS, 0, 0, ""));
        ask(&mut many, &begin, "ok")?;
        let asked = [1, 3, 5, 5].map(|stream| frame(HEADERS, 5, stream, "anything")).concat();
        // In the middle of a head.
        let (first, rest) = asked.split_at_checked(asked.len() - 17 - 12).context("a frame and more")?;
        ask(&mut many, first, "ok")?;
        ask(&mut many, &format!("{rest}{}", frame(RST_STREAM, 0, 3, "left")), "ok")?;
        drop(many);
        clock::pause(Duration::from_millis(300));
        let story = recorder.stop()?;
        let streams: Vec<_> =
            story.asked.iter().filter(|asked| asked.demand.protocol == Protocol::Stream).collect();
        println!("{tier}: {streams:#?}");
        ensure!(streams.len() == 3 && story.asked.len() == 3, "three streams: {:#?}", story.asked);
        let given_up = |asked: &&&Asked| asked.served.is_some_and(|served| served.turn.is_none());
        ensure!(streams.iter().filter(given_up).count() == 3, "nobody answered one: {streams:#?}");
    }
    Ok(())
}

#[test]
fn connections_that_are_older_than_the_agent_are_known_by_what_they_ask() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Python);
    for tier in ["sock", "syscall"] {
        let server = Server::start()?;
        let asking = Asking::start(&server)?;
        let (mut plain, mut bytewise, mut local) =
            (connect(&asking)?, connect(&asking)?, UnixStream::connect(&asking.path)?);
        ask(&mut plain, &get("/query"), "ok")?;
        ask(&mut bytewise, &get("/byte"), "ok")?;
        ask(&mut local, &get("/query"), "ok")?;
        let recorder = Recorder::start(&["--probes", tier, "--service", "asked"])?;
        // Its connection proves itself, and with it the process.
        ask(&mut connect(&asking)?, &get("/query"), "ok")?;
        clock::until(Duration::from_secs(2), "its pool", || {
            Ok((!recorder.agent().pools_of(asking.pid())?.is_empty()).then_some(()))
        })?;
        for _ in 0..3 {
            ask(&mut plain, &get("/query"), "ok")?;
            ask(&mut bytewise, &get("/query"), "ok")?;
            ask(&mut local, &get("/query"), "ok")?;
        }
        let story = recorder.stop()?;
        let mut of_socket = BTreeMap::<_, usize>::new();
        for asked in story.asked.iter().filter(|asked| asked.took().is_some()) {
            *of_socket.entry(asked.demand.socket).or_default() += 1;
        }
        println!("{tier}: {of_socket:?}, routes {:?}", routes(&story));
        // The request that proved the connection may have been told as well.
        let older = of_socket.values().filter(|count| **count == 3).count();
        ensure!(older == 3 && of_socket.len() <= 4, "{:#?}", story.asked);
        ensure!(routes(&story).iter().collect::<BTreeSet<_>>().len() == 1, "{:?}", routes(&story));
    }
    Ok(())
}

#[test]
fn behind_tls_requests_are_counted_and_have_no_route() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Python);
    let recorder = Recorder::start(&["--service", "asked"])?;
    let server = Server::start()?;
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let asking = Asking::start_with(&server, Some(&(cert.pem() + &signing_key.serialize_pem())))?;
    for version in ["1.2", "1.3"] {
        let mut command = Command::new("python3");
        let port = asking.port.to_string();
        command.arg(place::apps().join("python/ask_tls.py")).args([version, &port, "3", "4"]);
        process::run("ask_tls", &mut command, Duration::from_secs(30))?.success("ask_tls")?;
    }
    let story = recorder.stop()?;
    println!("{} demands, {} served", story.asked.len(), served(&story));
    ensure!(story.asked.len() == 2 * 3 * 4 && served(&story) == story.asked.len(), "{:#?}", story.asked);
    let encrypted = |asked: &Asked| asked.demand.protocol == Protocol::Tls && asked.route().is_none();
    ensure!(story.asked.iter().all(encrypted), "{:#?}", story.asked);
    // What ends a handshake looks like a request: it is none.
    let begun_within = |asked: &Asked| {
        let until = asked.served.map_or(0, |served| served.at);
        story.begun.iter().any(|begun| begun.at > asked.demand.at && begun.at < until)
    };
    ensure!(story.asked.iter().all(begun_within), "{story:#?}");
    story.begun_is_requested()
}

#[test]
fn a_demand_ends_with_its_socket() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres, Feature::Python);
    for tier in ["sock", "syscall"] {
        let (_server, recorder, asking) = scene(&["--probes", tier])?;
        let mut silent = connect(&asking)?;
        silent.write_all(get("/silent").as_bytes())?;
        ensure!(silent.read(&mut [0; 8])? == 0, "closed");
        let mut local = UnixStream::connect(&asking.path)?;
        local.write_all(get("/silent").as_bytes())?;
        ensure!(local.read(&mut [0; 8])? == 0, "closed");
        // Its client says no more, and is answered.
        let mut half = connect(&asking)?;
        half.write_all(get("/query").as_bytes())?;
        half.shutdown(Shutdown::Write)?;
        let mut answer = String::new();
        half.read_to_string(&mut answer)?;
        ensure!(answer.ends_with("ok"), "{answer}");
        // UNIX sockets end without a sign: the agent looks now and then.
        clock::pause(Duration::from_secs(7));
        let story = recorder.stop()?;
        let ends: Vec<_> = story.asked.iter().map(|asked| (asked.served.is_some(), asked.took())).collect();
        println!("{tier}: {ends:?}");
        ensure!(matches!(ends[..], [(true, None), (true, None), (true, Some(_))]), "{:#?}", story.asked);
    }
    Ok(())
}

#[test]
fn a_process_that_serves_nobody_tells_nothing() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let recorder = Recorder::start(&["--service", "quiet"])?;
    let server = Server::start()?;
    let mut client = Client::start(Some("quiet"))?;
    client.open("a", &server.address_of(Way::Tcp4, "postgres", "postgres"))?;
    client.open("b", &server.address_of(Way::Unix, "postgres", "postgres"))?;
    for _ in 0..50 {
        client.query("a", "select 1")?;
        client.query("b", "select 1")?;
    }
    let story = recorder.stop()?;
    println!("{} requests", story.requests.len());
    ensure!(story.requests.len() >= 100, "requests are seen");
    ensure!(story.asked.is_empty() && story.begun.is_empty() && story.parked.is_empty(), "{story:#?}");
    ensure!(story.requests.iter().all(|request| request.turn.is_none()), "no turns");
    Ok(())
}
