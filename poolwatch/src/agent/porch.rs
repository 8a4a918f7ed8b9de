//! The HTTP port in threads of its own: one that talks, and one that renders.
//!
//! A page of ten megabytes takes tens of milliseconds to render, to encrypt and to send; in the agent's own task nobody
//! would look at the ring meanwhile. These threads get questions and pictures, nothing else, and give up every
//! capability before the first byte from outside is read.

use std::{
    net::TcpListener,
    thread::{Builder, JoinHandle},
};

use anyhow::{Context, Result, anyhow};
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
};

use crate::{
    export::{
        access::Access,
        door::{self, Ask},
    },
    privilege,
};

/// The open port; it closes when dropped.
pub struct Porch {
    talking: JoinHandle<Result<()>>,
    closing: oneshot::Sender<()>,
}

impl Porch {
    /// Serves whoever comes; questions go to the task at the other end of `asks`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn open(listener: TcpListener, asks: mpsc::Sender<Ask>, access: Access) -> Result<Self> {
        let (closing, closed) = oneshot::channel();
        let talk = move || {
            let served = serve(listener, asks, access, closed);
            served.inspect_err(|error| tracing::error!("the HTTP port is closed: {error:#}"))
        };
        let talking = Builder::new().name("door".to_owned()).spawn(talk).context("no thread for the port")?;
        Ok(Self { talking, closing })
    }

    /// Takes nobody in any more, and waits for the answers under way.
    ///
    /// # Errors
    /// What the port failed of.
    pub fn close(self) -> Result<()> {
        drop(self.closing);
        self.talking.join().map_err(|_| anyhow!("the HTTP server failed"))?
    }
}

fn serve(
    listener: TcpListener,
    asks: mpsc::Sender<Ask>,
    access: Access,
    closed: oneshot::Receiver<()>,
) -> Result<()> {
    // Threads that are begun by this one inherit what it has left.
    privilege::drop_all()?;
    let talking = runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .thread_name("render")
        .build()
        .context("no runtime for the port")?;
    talking.block_on(async {
        listener.set_nonblocking(true).context("cannot wait on the listening socket")?;
        let listener =
            tokio::net::TcpListener::from_std(listener).context("cannot wait on the listening socket")?;
        door::serve(listener, asks, access, async {
            // An error means that the agent is gone, which is reason enough.
            let _ = closed.await;
        })
        .await;
        Ok(())
    })
}
