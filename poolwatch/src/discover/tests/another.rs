//! Another process that plays a part in a test: this same test program, started anew under another
//! name, in another network namespace or with fewer privileges.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use super::{
    super::{older_sockets, process::processes},
    cookie, inode, tcp, unix,
};

const PART: &str = "POOLWATCH_TEST_PART";
const ARGUMENT: &str = "POOLWATCH_TEST_ARGUMENT";
/// Marks the lines that are for the test, among those of the test harness.
const TOLD: &str = "told ";

/// A started process, that waits where its part says so.
pub(super) struct Another {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Another {
    /// Starts `part`: the words before the program's own path, and the part's argument.
    pub(super) fn start(before: &[&str], program: &Path, part: &str, argument: &str) -> Self {
        let words: Vec<OsString> = before.iter().map(OsString::from).chain([program.into()]).collect();
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .args(["--exact", "discover::tests::another::plays_its_part", "--nocapture", "--test-threads=1"])
            .env(PART, part)
            .env(ARGUMENT, argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line that the part told.
    pub(super) fn told(&mut self) -> String {
        for line in self.output.by_ref().lines() {
            if let Some((_, told)) = line.unwrap().split_once(TOLD) {
                return told.to_owned();
            }
        }
        panic!("the other process ended without telling");
    }

    /// The numbers of the next line.
    pub(super) fn numbers(&mut self) -> Vec<u64> {
        self.told().split(' ').map(|number| number.parse().unwrap()).collect()
    }

    /// Lets the part go on.
    pub(super) fn go_on(&mut self) {
        self.input.as_mut().unwrap().write_all(b"\n").unwrap();
    }
}

impl Drop for Another {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

pub(super) fn this_program() -> PathBuf {
    std::env::current_exe().unwrap()
}

fn tell(line: impl std::fmt::Display) {
    println!("{TOLD}{line}");
}

/// Waits until the test says to go on, or ends.
fn wait() {
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// Does nothing unless it was started by [`Another::start`].
#[test]
fn plays_its_part() {
    let Ok(part) = std::env::var(PART) else { return };
    let argument = std::env::var(ARGUMENT).unwrap();
    match part.as_str() {
        "listen" => listen(),
        "hold" => hold(Path::new(&argument)),
        "connect" => connect(Path::new(&argument)),
        "scan" => scan(&argument),
        _ => panic!("no such part: {part}"),
    }
}

/// Listens on TCP, tells the port, accepts one connection.
fn listen() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    tell(listener.local_addr().unwrap().port());
    let _connection = listener.accept().unwrap();
    wait();
}

/// Holds both ends of a TCP and of a UNIX connection and tells them; then closes the UNIX one.
fn hold(path: &Path) {
    let tcp = tcp("127.0.0.1:0");
    let unix = unix(path);
    let port = super::server_of(&tcp.client).port();
    tell(format!("{} {} {port}", inode(&tcp.client), cookie(&tcp.client)));
    tell(format!("{} {}", inode(&unix.client), cookie(&unix.client)));
    wait();
    drop(unix);
    tell("closed");
    wait();
}

/// Connects to a UNIX socket and tells the connection.
fn connect(path: &Path) {
    let client = UnixStream::connect(path).unwrap();
    tell(format!("{} {}", inode(&client), cookie(&client)));
    wait();
}

/// Scans for the sockets of one process and tells what it finds: `pid port`.
fn scan(argument: &str) {
    let (pid, port) = argument.split_once(' ').unwrap();
    let (pid, port) = (pid.parse().unwrap(), port.parse().unwrap());
    assert!(processes().contains(&pid));
    let older = older_sockets(Some(&[pid]), &[port]);
    tell(older.sockets.len());
    for socket in &older.sockets {
        tell(format!("{} {}", socket.inode, socket.cookie));
    }
    tell(older.problems.len());
    for problem in &older.problems {
        tell(problem);
    }
}
