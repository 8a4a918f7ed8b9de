//! The HTTP port: takes connections and serves one request on each.
//!
//! A slow or hostile client must not hold the agent, nor keep others out: there is a limit to how many are let in, beyond
//! which the oldest that has not asked yet makes room, to how long each may take and how long its request's head may be.
//! The listener and the signal to stop are passed in; the state stays with the task at the other end of `asks`.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::Router;
use hyper::{
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{access::Access, routes};

pub use super::routes::Ask;

/// Connections served at once. An honest one asks at once, so the oldest that has not is not one of these.
const CONNECTIONS: usize = 256;

/// A client sends its request's head, and before it the TLS handshake, within this time.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// A connection ends after this time, read or not.
const SERVED_WITHIN: Duration = Duration::from_secs(30);

/// Bytes of a request's head.
const HEAD_BYTES: usize = 16 * 1024;

/// When the agent stops, answers under way get this long.
const FAREWELL: Duration = Duration::from_secs(1);

/// `accept` fails for want of descriptors or memory: trying again at once would only spin.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves until `shutdown` is done.
pub async fn serve(
    listener: TcpListener,
    asks: mpsc::Sender<Ask>,
    access: Access,
    shutdown: impl Future<Output = ()>,
) {
    let tls = access.tls().cloned();
    let router = routes::router(asks, access);
    let mut guests = Guests::default();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = guests.tasks.join_next() => {}
            next = listener.accept() => match next {
                Ok((stream, _)) => guests.admit(|asked| host(stream, tls.clone(), router.clone(), asked)),
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection on the HTTP port");
                    sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
    drop(listener);
    let rest = async { while guests.tasks.join_next().await.is_some() {} };
    // What is not done by then is cut off when the set is dropped.
    let _ = timeout(FAREWELL, rest).await;
}

/// Who is served.
#[derive(Default)]
struct Guests {
    tasks: JoinSet<()>,
    /// In the order of their coming.
    queue: VecDeque<Guest>,
}

struct Guest {
    task: AbortHandle,
    /// Its request's head is here.
    asked: Arc<AtomicBool>,
}

impl Guests {
    fn admit<F: Future<Output = ()> + Send + 'static>(&mut self, host: impl FnOnce(Arc<AtomicBool>) -> F) {
        // Each time: the memory of one who has gone is kept for as long as its task can be asked about.
        self.queue.retain(|guest| !guest.task.is_finished());
        if self.queue.len() >= CONNECTIONS {
            let slow = self.queue.iter().position(|guest| !guest.asked.load(Ordering::Relaxed));
            if let Some(oldest) = self.queue.remove(slow.unwrap_or(0)) {
                oldest.task.abort();
            }
        }
        let asked = Arc::new(AtomicBool::new(false));
        let task = self.tasks.spawn(host(Arc::clone(&asked)));
        self.queue.push_back(Guest { task, asked });
    }
}

/// One guest from the first byte to the last; whatever goes wrong concerns that guest alone.
async fn host(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, asked: Arc<AtomicBool>) {
    let served = async {
        match tls {
            None => converse(stream, router, asked).await,
            Some(tls) => {
                if let Ok(Ok(stream)) = timeout(HEAD_WITHIN, tls.accept(stream)).await {
                    converse(stream, router, asked).await;
                }
            }
        }
    };
    let _ = timeout(SERVED_WITHIN, served).await;
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router, asked: Arc<AtomicBool>) {
    let serve = service_fn(move |request| {
        asked.store(true, Ordering::Relaxed);
        TowerToHyperService::new(router.clone()).call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES)
        // One request a connection: idle ones would fill the room.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), serve)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a client of the HTTP port left early");
    }
}
