//! A client that does what its standard input says, one line a command: `NAME COMMAND [ARGUMENT]`.
//!
//! Commands: `open ADDRESS`, `query SQL` (simple protocol), `execute SQL` (extended protocol), `close`. Each
//! connection is a thread of its own, so that one may wait for a long answer while others go on. Answers:
//! `NAME ok NANOSECONDS ROWS` or `NAME error SQLSTATE TEXT`. At end of input it closes all and ends.

use std::{
    collections::HashMap,
    io::{BufRead as _, stdin},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use poolwatch_tests::clock;
use postgres::{Client, NoTls, SimpleQueryMessage, fallible_iterator::FallibleIterator as _};

type Worker = (Sender<String>, JoinHandle<()>);

fn main() -> Result<()> {
    let mut workers: HashMap<String, Worker> = HashMap::new();
    for line in stdin().lock().lines() {
        let line = line.context("reading a command")?;
        let (name, command) = line.split_once(' ').context("NAME COMMAND")?;
        let (worker, _) = workers.entry(name.to_owned()).or_insert_with(|| start(name));
        worker.send(command.to_owned()).context("a connection's thread has ended")?;
    }
    for (_, (commands, thread)) in workers {
        drop(commands);
        let _ = thread.join();
    }
    Ok(())
}

fn start(name: &str) -> Worker {
    let (sender, commands) = channel();
    let name = name.to_owned();
    (sender, thread::spawn(move || serve(&name, &commands)))
}

fn serve(name: &str, commands: &Receiver<String>) {
    let mut connection = None;
    for command in commands {
        let began = clock::monotonic();
        let done = obey(&mut connection, &command);
        let took = clock::monotonic() - began;
        if done.is_err() {
            read_on(&mut connection);
        }
        match done {
            Ok(rows) => println!("{name} ok {took} {rows}"),
            Err(error) => println!("{name} error {}", text(&error)),
        }
    }
}

fn obey(connection: &mut Option<Client>, command: &str) -> Result<usize> {
    let (verb, argument) = command.split_once(' ').unwrap_or((command, ""));
    match verb {
        "open" => {
            *connection = Some(Client::connect(argument, NoTls)?);
            Ok(0)
        }
        "close" => {
            connection.take().context("not open")?.close()?;
            Ok(0)
        }
        "query" => {
            let answer = connection.as_mut().context("not open")?.simple_query(argument)?;
            Ok(answer.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_))).count())
        }
        "execute" => Ok(connection.as_mut().context("not open")?.query(argument, &[])?.len()),
        other => bail!("no such command: {other}"),
    }
}

/// The server sends an error and its ReadyForQuery apart, and this driver stops reading at the first
/// until it is used again; others read on.
fn read_on(connection: &mut Option<Client>) {
    if let Some(client) = connection {
        let _ = client.notifications().timeout_iter(Duration::from_millis(20)).next();
    }
}

/// One line, with the SQLSTATE first where the server gave one.
fn text(error: &anyhow::Error) -> String {
    let code = error
        .downcast_ref::<postgres::Error>()
        .and_then(postgres::Error::code)
        .map_or_else(|| "-".to_owned(), |code| code.code().to_owned());
    format!("{code} {error:#}").replace('\n', " ")
}
