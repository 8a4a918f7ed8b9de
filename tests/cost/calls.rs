//! The tax on everybody else: what single system calls of a process that has nothing to do with PostgreSQL cost, in
//! nanoseconds.

use std::{
    fs::File,
    hint::black_box,
    io::{Read as _, Seek as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
};

use anyhow::Result;
use poolwatch_tests::{clock, place};

/// How long each is called, in nanoseconds.
const LONG: i128 = 300_000_000;
/// Calls between two looks at the clock.
const BATCH: u32 = 200;

/// One kind.
pub struct Call {
    /// How it is called in the table.
    pub name: &'static str,
    /// System calls of one turn.
    pub calls: u32,
    turn: Box<dyn FnMut() -> Result<()>>,
}

impl Call {
    /// Nanoseconds per system call.
    pub fn cost(&mut self) -> Result<f64> {
        let start = clock::monotonic();
        let mut turns = 0_u32;
        loop {
            for _ in 0..BATCH {
                (self.turn)()?;
            }
            turns += BATCH;
            let lasted = clock::monotonic() - start;
            if lasted >= LONG {
                return Ok(lasted as f64 / f64::from(turns * self.calls));
            }
        }
    }
}

/// All kinds.
pub fn calls() -> Result<Vec<Call>> {
    let call = |name, calls, turn| Call { name, calls, turn };
    let mut byte = [0_u8; 64];
    let directory = place::scratch()?;
    let mut file =
        File::options().read(true).write(true).create_new(true).open(directory.path().join("file"))?;
    file.write_all(&byte)?;
    let (mut near, mut far) = UnixStream::pair()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    client.set_nodelay(true)?;
    Ok(vec![
        call(
            "getppid",
            1,
            Box::new(|| {
                // SAFETY: it takes nothing and cannot fail.
                black_box(unsafe { libc::getppid() });
                Ok(())
            }),
        ),
        call(
            "lseek and read of a file",
            2,
            Box::new(move || {
                file.rewind()?;
                Ok(file.read_exact(&mut byte)?)
            }),
        ),
        call(
            "write and read of a UNIX socket",
            2,
            Box::new(move || {
                near.write_all(&byte)?;
                Ok(far.read_exact(&mut byte)?)
            }),
        ),
        call(
            "write and read of a TCP socket",
            2,
            Box::new(move || {
                client.write_all(&byte)?;
                Ok(server.read_exact(&mut byte)?)
            }),
        ),
    ])
}
