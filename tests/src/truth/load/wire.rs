//! HTTP/1.1 as the load speaks it: one request at a time on a connection, which is kept for the next.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    runtime::{self, Runtime},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

type Connection = BufReader<Box<dyn Stream>>;

/// A server, the connections to it that are free, and what drives them.
pub struct Target {
    /// Sockets live as long as the runtime that opened them.
    pub runtime: Runtime,
    port: u16,
    tls: Option<TlsConnector>,
    free: Mutex<Vec<Connection>>,
}

impl Target {
    /// A server on 127.0.0.1, behind TLS if there is somebody to speak it.
    pub fn new(port: u16, tls: Option<TlsConnector>) -> Result<Arc<Self>> {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Arc::new(Self { runtime, port, tls, free: Mutex::default() }))
    }

    /// Status and body of a page.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        let kept = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        connection.write_all(request.as_bytes()).await?;
        connection.flush().await?;
        let answer = read(&mut connection).await?;
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(answer)
    }

    async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(tls.connect(ServerName::try_from("localhost")?, stream).await?),
        };
        Ok(BufReader::new(stream))
    }
}

async fn read(connection: &mut Connection) -> Result<(u16, String)> {
    let mut status = String::new();
    connection.read_line(&mut status).await?;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
    let mut length = None;
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse()?);
        }
    }
    let mut body = vec![0; length.context("an answer without its length")?];
    connection.read_exact(&mut body).await?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
