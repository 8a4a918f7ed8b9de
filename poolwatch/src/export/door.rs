//! The HTTP port: takes connections and serves one request on each.
//!
//! A slow or hostile client must not hold the agent: there is a limit to how many are let in, how
//! long each may take and how long its request's head may be. The listener and the signal to stop
//! are passed in; the state stays with the task at the other end of `asks`.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{access::Access, routes};

pub use super::routes::Ask;

/// Connections served at once; further ones wait in the listener's backlog.
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
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut guests = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = guests.join_next() => {}
            next = next_guest(&listener, &room) => match next {
                Ok((stream, place)) => drop(guests.spawn(host(stream, tls.clone(), router.clone(), place))),
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection on the HTTP port");
                    sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
    drop(listener);
    let rest = async { while guests.join_next().await.is_some() {} };
    // What is not done by then is cut off when the set is dropped.
    let _ = timeout(FAREWELL, rest).await;
}

async fn next_guest(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

/// One guest from the first byte to the last; whatever goes wrong concerns that guest alone.
async fn host(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, _place: OwnedSemaphorePermit) {
    let served = async {
        match tls {
            None => converse(stream, router).await,
            Some(tls) => {
                if let Ok(Ok(stream)) = timeout(HEAD_WITHIN, tls.accept(stream)).await {
                    converse(stream, router).await;
                }
            }
        }
    };
    let _ = timeout(SERVED_WITHIN, served).await;
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES)
        // One request a connection: idle ones would fill the room.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a client of the HTTP port left early");
    }
}
