//! What a recording tells of demands: each joined to what served it.

use std::{collections::HashMap, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use poolwatch::{
    event::{Begun, Demand, Event, Parked, Request, Served, SocketId},
    recording,
};

use crate::{
    agent::Agent,
    place,
    process::{Process, TERMINATE},
};

/// An agent that records, and where to.
pub struct Recorder {
    agent: Agent,
    directory: tempfile::TempDir,
}

impl Recorder {
    /// Records with these arguments.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        let directory = place::scratch()?;
        let file = directory.path().join("rec").display().to_string();
        let agent = Agent::start([&["record", "-o", &file], arguments].concat())?;
        Ok(Self { agent, directory })
    }

    /// The agent that records.
    pub const fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Ends it; what it told of this process's demands.
    pub fn stop(mut self) -> Result<Story> {
        let code = self.agent.stop(TERMINATE)?;
        ensure!(code == 0, "the agent ended with {code}: {}", self.agent.errors());
        Story::read(&self.directory.path().join("rec"))
    }
}

/// One demand.
#[derive(Clone, Debug)]
pub struct Asked {
    /// As it was told first.
    pub demand: Demand,
    /// As it was told last, where it was told again.
    pub again: Option<Demand>,
    /// What ended it.
    pub served: Option<Served>,
}

impl Asked {
    /// Nanoseconds from the demand to its response; `None` when there was none.
    pub fn took(&self) -> Option<u64> {
        let served = self.served.filter(|served| served.turn.is_some())?;
        served.at.checked_sub(self.demand.at)
    }

    /// The route, as far as it was told.
    pub fn route(&self) -> Option<u32> {
        self.again.unwrap_or(self.demand).route
    }
}

/// Everything of a recording that has to do with demands, in its order.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Demands.
    pub asked: Vec<Asked>,
    /// Beginnings of requests.
    pub begun: Vec<Begun>,
    /// Requests, those of start-ups apart.
    pub requests: Vec<Request>,
    /// Sleeping threads.
    pub parked: Vec<Parked>,
    /// All events.
    pub events: Vec<Event>,
}

impl Story {
    /// Reads a recording, and checks what holds of all of them: every response has its demand.
    pub fn read(file: &Path) -> Result<Self> {
        let (_, events) = recording::open(file).with_context(|| file.display().to_string())?;
        let mut story = Self::default();
        let mut open: HashMap<SocketId, usize> = HashMap::new();
        for event in events {
            let event = event?;
            match &event {
                Event::Demand(demand) => story.ask(*demand, &mut open)?,
                Event::Served(served) => {
                    // What was asked before the process was told is not told.
                    let Some(at) = open.remove(&served.socket) else {
                        ensure!(story.asked.is_empty(), "nothing asked: {served:?}");
                        continue;
                    };
                    let asked = story.asked.get_mut(at).context("a place")?;
                    ensure!(served.at >= asked.demand.at, "{served:?} before {asked:?}");
                    asked.served = Some(*served);
                }
                Event::Begun(begun) => story.begun.push(*begun),
                Event::Request(request) if request.kind != poolwatch::event::RequestKind::Startup => {
                    story.requests.push(request.clone());
                }
                Event::Parked(parked) => story.parked.push(*parked),
                _ => {}
            }
            story.events.push(event);
        }
        Ok(story)
    }

    fn ask(&mut self, demand: Demand, open: &mut HashMap<SocketId, usize>) -> Result<()> {
        if let Some(asked) = open.get(&demand.socket).and_then(|at| self.asked.get_mut(*at)) {
            if asked.demand.at != demand.at {
                bail!("two demands at once: {asked:?} and {demand:?}");
            }
            asked.again = Some(demand);
            return Ok(());
        }
        if demand.is_countable() {
            open.insert(demand.socket, self.asked.len());
        }
        self.asked.push(Asked { demand, again: None, served: None });
        Ok(())
    }

    /// Checks that every beginning is that of a request, and every request of a serving process began.
    pub fn begun_is_requested(&self) -> Result<()> {
        let starts: HashMap<_, _> = self.requests.iter().map(|r| ((r.socket, r.started), r)).collect();
        for begun in &self.begun {
            let request = starts.get(&(begun.socket, Some(begun.at)));
            let request = request.with_context(|| format!("no request of {begun:?}"))?;
            ensure!(request.turn.is_some(), "nobody read the answer of {request:?}");
        }
        let served = self.requests.iter().filter(|request| request.turn.is_some()).count();
        ensure!(served == self.begun.len(), "{served} requests, {} beginnings", self.begun.len());
        Ok(())
    }
}

/// The server that does as it is asked; it ends when dropped.
pub struct Server {
    process: Process,
    /// Keeps its socket.
    _directory: tempfile::TempDir,
    /// Where it listens.
    pub port: u16,
    /// Its UNIX socket.
    pub path: String,
}

impl Server {
    /// Starts it with a connection to this database server.
    pub fn start(database: &crate::postgres::Server) -> Result<Self> {
        Self::start_with(database, None)
    }

    /// Starts it with a certificate and its key, in one text: it speaks TLS.
    pub fn start_with(database: &crate::postgres::Server, certificate: Option<&str>) -> Result<Self> {
        let directory = place::scratch()?;
        let mut command = std::process::Command::new("python3");
        command
            .arg(place::apps().join("python/asked.py"))
            .arg(directory.path())
            .env("OTEL_SERVICE_NAME", "asked")
            .env("PGHOST", database.host(crate::postgres::Way::Tcp4))
            .env("PGPORT", database.port().to_string())
            .env("PGUSER", "postgres")
            .env("PGDATABASE", "postgres");
        if let Some(text) = certificate {
            let file = directory.path().join("certificate");
            std::fs::write(&file, text)?;
            command.env("CERTIFICATE", file);
        }
        let mut process = Process::start("asked", &mut command)?;
        let line = process.line("listening ", Duration::from_secs(20))?;
        let (port, path) = line.split_once(' ').context("a port and a path")?;
        Ok(Self { process, _directory: directory, port: port.parse()?, path: path.to_owned() })
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}
