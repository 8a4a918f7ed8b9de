//! A process of a test's own: what it prints is kept, and it never outlives its owner.

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::clock;

/// Lines that a process has printed so far.
type Lines = Arc<Mutex<Vec<String>>>;

/// A running child.
pub struct Process {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: Lines,
    errors: Lines,
    reader: Option<JoinHandle<()>>,
}

/// Signal 15.
pub const TERMINATE: i32 = libc::SIGTERM;
/// Signal 2.
pub const INTERRUPT: i32 = libc::SIGINT;
/// Signal 9.
pub const KILL: i32 = libc::SIGKILL;
/// Stopped until it is told to go on.
pub const STOP: i32 = libc::SIGSTOP;
/// Go on.
pub const CONTINUE: i32 = libc::SIGCONT;

impl Process {
    /// Starts `command`, with everything it prints kept.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        dies_with_us(command);
        let mut child =
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .with_context(|| format!("cannot start {name} ({})", command.get_program().display()))?;
        let (output, errors) = (Lines::default(), Lines::default());
        let reader = keep(child.stdout.take(), &output);
        let _ = keep(child.stderr.take(), &errors);
        let input = child.stdin.take();
        Ok(Self { name: name.to_owned(), child, input, output, errors, reader })
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard output.
    pub fn output(&self) -> String {
        joined(&self.output)
    }

    /// What it has written to standard error.
    pub fn errors(&self) -> String {
        joined(&self.errors)
    }

    /// Writes one line to its standard input.
    pub fn tell(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().context("its input is closed")?;
        writeln!(input, "{line}").with_context(|| format!("telling {}", self.name))?;
        input.flush().with_context(|| format!("telling {}", self.name))
    }

    /// The rest of the first line of its output that begins with `start`.
    pub fn line(&mut self, start: &str, wait: Duration) -> Result<String> {
        self.line_from(0, start, wait).map(|(_, line)| line)
    }

    /// The same, from the line with number `from`; returns the line's number too.
    pub fn line_from(&mut self, from: usize, start: &str, wait: Duration) -> Result<(usize, String)> {
        let deadline = clock::Deadline::after(wait * clock::patience());
        loop {
            // In this order: what it printed before it ended is found once its pipe has been read.
            let read = self.reader.as_ref().is_none_or(JoinHandle::is_finished);
            let ended = self.child.try_wait()?.filter(|_| read);
            if let Some(found) = find(&self.output, from, start) {
                return Ok(found);
            }
            if deadline.passed() || ended.is_some() {
                bail!(
                    "{} printed no line {start:?} in {wait:?} (ended: {ended:?})\n{}{}",
                    self.name,
                    self.output(),
                    self.errors()
                );
            }
            clock::pause(Duration::from_millis(1));
        }
    }

    /// It has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) -> Result<()> {
        let pid = i32::try_from(self.pid()).context("a pid fits")?;
        // SAFETY: plain system call; the child is ours and not reaped yet, so the number is its own.
        let failed = unsafe { libc::kill(pid, signal) } != 0;
        ensure!(!failed, "cannot signal {}: {}", self.name, std::io::Error::last_os_error());
        Ok(())
    }

    /// Waits for its end. Code, or 128 + signal.
    pub fn wait(&mut self, wait: Duration) -> Result<i32> {
        let name = self.name.clone();
        self.input = None;
        let status = clock::until(wait, &format!("the end of {name}"), || Ok(self.child.try_wait()?))
            .with_context(|| format!("{}{}", self.output(), self.errors()))?;
        status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal))
            .context("neither a code nor a signal")
    }

    /// Asks it to end, waits, and returns its code.
    pub fn stop(&mut self, signal: i32, wait: Duration) -> Result<i32> {
        if self.ended()?.is_none() {
            self.signal(signal)?;
        }
        self.wait(wait)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The kernel kills the child when the thread that started it ends, however that happens.
fn dies_with_us(command: &mut Command) {
    // SAFETY: prctl is async-signal-safe and touches nothing but the child itself.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

/// Reads a pipe to its end in a thread, so that the child never waits for a full pipe.
fn keep(pipe: Option<impl Read + Send + 'static>, lines: &Lines) -> Option<JoinHandle<()>> {
    let (pipe, kept) = (pipe?, Arc::clone(lines));
    Some(thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line).into_owned();
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }))
}

fn joined(lines: &Lines) -> String {
    let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

fn find(lines: &Lines, from: usize, start: &str) -> Option<(usize, String)> {
    let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    lines
        .iter()
        .enumerate()
        .skip(from)
        .find_map(|(number, line)| line.strip_prefix(start).map(|rest| (number, rest.trim().to_owned())))
}

/// What a command that ended by itself said.
#[derive(Debug)]
pub struct Answer {
    /// Exit code, or 128 + signal.
    pub code: i32,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
}

/// Runs a command to its end.
pub fn run(name: &str, command: &mut Command, wait: Duration) -> Result<Answer> {
    dies_with_us(command);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child
        .spawn()
        .with_context(|| format!("cannot start {name} ({})", command.get_program().display()))?;
    let output = read_all(child.stdout.take());
    let errors = read_all(child.stderr.take());
    let ended = clock::until(wait, &format!("the end of {name}"), || Ok(child.try_wait()?));
    if ended.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let (output, errors) = (output.join().unwrap_or_default(), errors.join().unwrap_or_default());
    let status = ended.with_context(|| format!("{output}{errors}"))?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
    Ok(Answer { code, output, errors })
}

fn read_all(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    })
}

impl Answer {
    /// Its output, or an error with everything that it said when its code was not 0.
    pub fn success(self, name: &str) -> Result<String> {
        ensure!(self.code == 0, "{name} ended with {}\n{}{}", self.code, self.output, self.errors);
        Ok(self.output)
    }
}
