//! The command: reads what is wanted, does it, and says how it ended by its exit code.

use std::{
    env,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use poolwatch::{
    agent::{self, Job},
    check,
    clock::Clock,
    config::{self, Command, Config, LogFormat, LogSettings, Output, Probes},
    discover::{self, Kind},
    export::access::Access,
    probes::{Refusal, Wanted, Watch, catalog::Tier},
    replay,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// Failed while running.
const FAILED: u8 = 1;
/// Wrong arguments or config.
const WRONG: u8 = 2;
/// No privilege or kernel feature.
const REFUSED: u8 = 3;

fn main() -> ExitCode {
    let code = match config::parse(env::args_os()) {
        Ok(Command::Watch(config)) => watch(*config, None),
        Ok(Command::Record(config, file)) => watch(*config, Some(file)),
        Ok(Command::Replay { file, output }) => replayed(&file, output),
        Ok(Command::Check) => checked(),
        Ok(Command::ConfigCheck(file)) => match config::check(file.as_deref()) {
            Ok(line) => {
                println!("{line}");
                0
            }
            Err(stop) => stop.tell(),
        },
        Err(stop) => stop.tell(),
    };
    ExitCode::from(code)
}

fn watch(config: Config, record: Option<PathBuf>) -> u8 {
    begin_log(config.log);
    for doubt in &config.doubts {
        tracing::warn!("{doubt}");
    }
    if let Some(wrong) = config.targets.pids.iter().find_map(|pid| unwatchable(*pid)) {
        return told(WRONG, &wrong);
    }
    let access = match Access::load(&config.access) {
        Ok(access) => access,
        Err(error) => return told(WRONG, &format!("{error:#}")),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return told(FAILED, &error.to_string()),
    };
    match runtime.block_on(serve(config, access, record)) {
        Ok(()) => 0,
        Err(error) if error.is::<Refusal>() => told(REFUSED, &format!("{error:#}")),
        Err(error) => told(FAILED, &format!("{error:#}")),
    }
}

async fn serve(config: Config, access: Access, record: Option<PathBuf>) -> Result<()> {
    let listen = config.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen} (see --listen); is another poolwatch running?")
    })?;
    let tier = match config.probes {
        Probes::Auto => None,
        Probes::Sock => Some(Tier::Sock),
        Probes::Syscall => Some(Tier::Syscall),
    };
    let children = config.targets.follow_children;
    let watch = if config.targets.pids.is_empty() { Watch::All } else { Watch::Listed { children } };
    let export = config.export(Clock::start());
    let Config { ring_bytes, sql, evidence, tls, cri, .. } = config;
    let wanted = Wanted { tier, watch, ring_bytes, sql, evidence, tls };
    let job =
        Job { targets: config.targets, wanted, cri, settings: config.inference, export, access, record };
    agent::run(job, listener, stop()?).await
}

/// Done when somebody wants the agent to end.
fn stop() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: probes are detached");
    })
}

/// Why a process that was named cannot be watched.
fn unwatchable(pid: u32) -> Option<String> {
    match discover::kind_of(pid) {
        Kind::Existing => None,
        Kind::Missing => Some(format!("--pid {pid}: there is no such process")),
        Kind::KernelThread => Some(format!("--pid {pid}: that is a kernel thread; it holds no connections")),
        Kind::ThreadOf(group) => Some(format!("--pid {pid}: that is a thread; its process is {group}")),
    }
}

fn replayed(file: &Path, output: Output) -> u8 {
    match replay::run(file, output) {
        Ok(replayed) => {
            // Half a page looks like a whole one; a summary says how far it goes.
            if replayed.problem.is_none() || output == Output::Summary {
                print!("{}", replayed.shown);
            }
            replayed.problem.map_or(0, |problem| told(FAILED, &format!("{}: {problem}", file.display())))
        }
        Err(error) => told(FAILED, &format!("{}: {error}", file.display())),
    }
}

fn checked() -> u8 {
    let report = check::run();
    for line in &report.lines {
        println!("{line}");
    }
    if report.usable {
        println!("poolwatch can watch here");
        return 0;
    }
    println!("poolwatch cannot watch here");
    FAILED
}

fn told(code: u8, error: &str) -> u8 {
    eprintln!("error: {error}");
    code
}

fn begin_log(settings: LogSettings) {
    let log = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_max_level(settings.level);
    match settings.format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
