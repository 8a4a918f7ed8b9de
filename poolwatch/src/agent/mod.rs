//! The wiring: one task owns everything that is known, and takes turns between the ring, the clock
//! and whoever asks.
//!
//! [`watcher`] is the left side (kernel and `/proc` → events), [`told`] the right (events → facts,
//! pages). Nothing but events crosses between them, so that a recording of these replays the agent. Pages are
//! rendered and handed out behind the [`porch`], in threads of its own: whoever reads them does not hold the task.

mod containers;
mod introduction;
mod known;
mod lenders;
mod plaintext;
pub mod porch;
mod pressure;
mod scan;
pub mod told;
mod watcher;

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep},
};

use self::{containers::Containers, porch::Porch, told::Told, watcher::Watcher};
use crate::{
    clock,
    config::{Cri, Evidence, Targets, Tls},
    event::{Event, ProcessId, SocketId, Time},
    export::{ExportSettings, Exporter, Question, access::Access, door::Ask},
    infer::{Core, settings::Settings},
    privilege,
    probes::{self, Attached, Refusal, Wanted},
    recording::{Header, Writer},
};

/// How often the ring is looked at. Waking the reader per record would cost ten times the record. A pool that somebody may
/// wait for is looked at more often: the probes of waiting come with its saturation.
const POLL: Duration = Duration::from_millis(20);
const POLL_OTHERS: Duration = Duration::from_millis(60);
/// How often time passes for the core, and UNIX sockets are looked up: they end without a sign.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two looks at whether processes still live, for the case that a record was lost.
const TICKS_PER_PROCESS_SCAN: u32 = 5;
/// Connections, and processes, that are looked at without a look at the ring: a system call each, so a millisecond.
const SLICE: usize = 500;
const PROCESS_SLICE: usize = 50;
/// Questions that wait at once; further ones wait in their connections.
const QUESTIONS: usize = 64;

/// What the agent is to do.
pub struct Job {
    /// What to watch.
    pub targets: Targets,
    /// What to attach.
    pub wanted: Wanted,
    /// Who names containers and pods.
    pub cri: Cri,
    /// How to judge.
    pub settings: Settings,
    /// How to render.
    pub export: ExportSettings,
    /// Who may ask.
    pub access: Access,
    /// Where to record.
    pub record: Option<PathBuf>,
}

/// Watches until `stop` is done.
///
/// # Errors
/// [`probes::Refusal`] when this kernel or these privileges allow no watching; else what failed, in words.
pub async fn run(job: Job, listener: TcpListener, stop: impl Future<Output = ()>) -> Result<()> {
    if !privilege::counts_as_machine() {
        return Err(Refusal::Apart(privilege::GIVE_MACHINE).into());
    }
    if let Err(error) = privilege::raise_files() {
        tracing::warn!("{error:#}");
    }
    // Nothing is seen yet that would have to wait for names.
    let containers = Containers::start(job.cri.clone()).await;
    // The kernel side first: a recording that nothing can be written to should not be begun.
    let attached = probes::attach(&job.wanted)?;
    let (asks, questions) = mpsc::channel(QUESTIONS);
    let address = listener.local_addr().context("the listening socket has no address")?;
    let listener = listener.into_std().context("the listening socket cannot be handed over")?;
    let porch = Porch::open(listener, asks, job.access.clone())?;
    let mut agent = Agent::begin(job, attached, containers)?;
    tracing::info!(%address, "watching; see /metrics, /health/pool and /health/details");
    let ended = agent.watch(questions, stop).await;
    let finished =
        agent.recording.take().map_or(Ok(()), Writer::finish).context("cannot close the recording");
    drop(agent);
    porch.close()?;
    ended.and(finished)
}

struct Agent {
    watcher: Watcher,
    told: Told,
    recording: Option<Writer<File>>,
    events: Vec<Event>,
    exit_with_pid: bool,
    ticks: u32,
}

impl Agent {
    fn begin(job: Job, attached: Attached, containers: Containers) -> Result<Self> {
        let (evidence, tls) = (job.wanted.evidence, job.wanted.tls);
        let Job { targets, settings, export, record, .. } = job;
        let exit_with_pid = targets.exit_with_pid;
        let recording = record.map(|path| begin_recording(&path, &export, &settings)).transpose()?;
        let states = attached.states.clone();
        for state in states.iter().filter(|state| !matches!(state.verdict.as_str(), "ok" | "not_applicable"))
        {
            tracing::warn!(
                probe = state.probe,
                verdict = state.verdict,
                reason = state.reason,
                "probe not attached"
            );
        }
        tracing::info!(tier = %attached.tier, "probes attached");
        let mut agent = Self {
            watcher: Watcher::new(attached, targets, (evidence, tls), containers)?,
            told: Told::new(Core::new(settings), Exporter::new(export)),
            recording,
            events: vec![Event::Probes(states)],
            exit_with_pid,
            ticks: 0,
        };
        for problem in agent.watcher.scan_older(&mut agent.events) {
            tracing::warn!(
                problem,
                "some open connections are not seen: over TCP until they are opened anew, over UNIX sockets until \
                 they are used"
            );
        }
        agent.events.push(Event::Ready { at: clock::now() });
        agent.tell()?;
        privilege::drop_others(evidence != Evidence::Off || tls == Tls::Auto)?;
        Ok(agent)
    }

    async fn watch(
        &mut self,
        mut questions: mpsc::Receiver<Ask>,
        stop: impl Future<Output = ()>,
    ) -> Result<()> {
        let mut stop = std::pin::pin!(stop);
        let full = self.watcher.intake().full().context("cannot wait on the ring")?;
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut stop => {
                    return self.refresh(|at| Event::Tick { at }).map(drop);
                }
                () = sleep(self.pause()) => self.drain()?,
                woken = full.readable() => {
                    woken.context("cannot wait on the ring")?.clear_ready();
                    self.drain()?;
                }
                _ = tick.tick() => self.tick()?,
                Some(ask) = questions.recv() => self.answer(ask)?,
            }
            if self.exit_with_pid && self.watcher.nobody_left() {
                tracing::info!("every watched process has ended");
                return Ok(());
            }
        }
    }

    fn pause(&self) -> Duration {
        if self.told.serves() { POLL } else { POLL_OTHERS }
    }

    fn answer(&mut self, ask: Ask) -> Result<()> {
        let at = match ask.question {
            Question::Alive => clock::now(),
            Question::Metrics => self.refresh(|at| Event::Scrape { at })?,
            _ => self.refresh(|at| Event::Tick { at })?,
        };
        // Whoever asked may be gone.
        let _ = ask.reply.send(self.told.picture(ask.question, at));
        Ok(())
    }

    fn tick(&mut self) -> Result<()> {
        self.ticks = self.ticks.wrapping_add(1);
        let sockets = self.watcher.scan_unix();
        let all = self.ticks.is_multiple_of(TICKS_PER_PROCESS_SCAN);
        let processes = if all { self.scan_processes()? } else { Vec::new() };
        let aside = if all { self.watcher.scan_aside() } else { Vec::new() };
        // What they did last may still lie in the ring.
        self.drain()?;
        self.watcher.gone(sockets, &mut self.events);
        self.watcher.ended(processes, &mut self.events);
        self.events.extend(aside);
        self.refresh(|at| Event::Tick { at }).map(drop)
    }

    fn scan_processes(&mut self) -> Result<Vec<ProcessId>> {
        let mut ended = Vec::new();
        for processes in self.watcher.processes().chunks(PROCESS_SLICE) {
            ended.extend(Watcher::scan_processes(processes));
            self.drain()?;
        }
        Ok(ended)
    }

    /// Looks at all connections, and at the ring in between: of many this takes longer than it lasts.
    fn scan(&mut self) -> Result<Vec<SocketId>> {
        let mut absent = Vec::new();
        for sockets in self.watcher.sockets().chunks(SLICE) {
            absent.extend(self.watcher.scan(sockets, &mut self.events));
            self.drain()?;
        }
        Ok(absent)
    }

    /// Brings the core up to this moment, which is the answer.
    fn refresh(&mut self, moment: impl FnOnce(Time) -> Event) -> Result<Time> {
        // What began is scanned among the connections that are known: so take the new ones first, and what
        // ended since the scan after it.
        self.drain()?;
        let absent = self.scan()?;
        // What happened before this moment is told before it: sums up to a moment are final.
        let at = clock::now();
        self.drain()?;
        self.watcher.gone(absent, &mut self.events);
        let strangers = self.told.strangers();
        if !strangers.is_empty() {
            self.watcher.introduce_strangers(&strangers, &mut self.events);
        }
        self.events.push(self.watcher.books());
        self.events.push(moment(at));
        self.tell()?;
        Ok(at)
    }

    fn drain(&mut self) -> Result<()> {
        let mut more = true;
        while more {
            more = self.watcher.drain(&mut self.events);
            self.tell()?;
        }
        self.watcher.press(&self.told.pressed(), &mut self.events);
        self.watcher.read_plain(&mut self.events);
        self.tell()
    }

    fn tell(&mut self) -> Result<()> {
        for event in &self.events {
            if let Some(recording) = &mut self.recording {
                recording.write(event).context("cannot write the recording")?;
            }
            self.told.tell(event);
        }
        self.events.clear();
        Ok(())
    }
}

fn begin_recording(path: &Path, export: &ExportSettings, settings: &Settings) -> Result<Writer<File>> {
    let header = Header {
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        clock: export.clock,
        settings: settings.clone(),
        labels: export.labels.clone(),
        label_user: export.label_user,
    };
    Writer::create(path, &header).with_context(|| format!("cannot record to {}", path.display()))
}
