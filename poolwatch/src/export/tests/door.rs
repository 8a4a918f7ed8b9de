//! The door over real sockets.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto, pki_types::ServerName,
};

use super::scene;
use crate::export::{
    access::{Access, AccessFiles},
    door::{self, Ask},
};

/// A door with the scene behind it.
struct House {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    door: JoinHandle<()>,
}

impl House {
    /// `answering` = the agent's loop runs.
    async fn open(access: Access, answering: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (asks, mut asked) = mpsc::channel::<Ask>(16);
        let (stop, stopped) = oneshot::channel::<()>();
        let door = tokio::spawn(door::serve(listener, asks, access, async {
            let _ = stopped.await;
        }));
        tokio::spawn(async move {
            let mut exporter = scene::exporter(scene::settings());
            let mut unanswered = Vec::new();
            while let Some(Ask { question, reply }) = asked.recv().await {
                if answering {
                    let _ = reply.send(exporter.picture(question, scene::snapshot()));
                } else {
                    unanswered.push(reply);
                }
            }
        });
        Self { address, stop, door }
    }

    async fn get(&self, path: &str, headers: &str) -> (u16, String) {
        let (address, request) = (self.address, request(path, headers));
        spawn_blocking(move || talk(connect(address), &request)).await.expect("the client does not panic")
    }

    async fn close(self) {
        self.stop.send(()).expect("the door is open");
        self.door.await.expect("the door closes in peace");
        let address = self.address;
        let refused = spawn_blocking(move || TcpStream::connect(address).is_err()).await;
        assert!(refused.expect("the client does not panic"), "the port is free again");
    }
}

fn request(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the door is open");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out can be set");
    stream
}

/// Status and the rest of the answer.
fn talk(mut stream: impl Read + Write, request: &str) -> (u16, String) {
    stream.write_all(request.as_bytes()).expect("the request is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer ends");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status in {answer:?}")), answer)
}

#[tokio::test]
async fn each_path_has_its_answer() {
    let house = House::open(Access::default(), true).await;
    for (path, status, part) in [
        ("/metrics", 200, "content-type: text/plain; version=0.0.4"),
        ("/metrics", 200, "db_client_connection_count{"),
        ("/healthz", 200, "ok\n"),
        ("/readyz", 200, "ready\n"),
        ("/health/pool", 200, "\"status\": \"healthy\""),
        ("/health/pool?service=worker&pid=", 200, "worker-7c9f"),
        ("/health/pool?pid=abc", 400, "pid is a number"),
        ("/health/details", 200, "sock_send_length"),
        ("/api/v1/pools", 200, "0000000000000006"),
        ("/api/v1/pools/0000000000000006", 200, "10.0.0.9"),
        ("/api/v1/pools/nothing", 404, "no pool with this id"),
        ("/api/v1/queries", 200, "\"order\": \"total\""),
        ("/api/v1/queries?order=slow&limit=1", 200, "0000000000000007"),
        ("/api/v1/queries?order=max&limit=", 200, "\"order\": \"max\""),
        ("/api/v1/queries?order=mean", 400, "order is total, slow or max, not"),
        ("/api/v1/queries?limit=0", 400, "limit is a number from 1 on, not"),
        ("/api/v1/queries?limit=-1", 400, "limit is a number from 1 on, not"),
        ("/api/v1/query", 404, "/api/v1/queries?order=total|slow|max&limit="),
        ("/", 404, "/metrics\n"),
    ] {
        let (got, answer) = house.get(path, "").await;
        assert_eq!(got, status, "{path}: {answer}");
        assert!(answer.contains(part), "{path}: {answer}");
    }
    house.close().await;
}

#[tokio::test]
async fn the_token_guards_all_but_the_orchestrators_paths() {
    let folder = Folder::new("token");
    let file = folder.write("token", "s3cret\n");
    let access = Access::load(&AccessFiles { auth_token_file: Some(file), tls: None }).expect("a token");
    let house = House::open(access, true).await;
    for path in [
        "/metrics",
        "/health/pool",
        "/health/details",
        "/api/v1/pools",
        "/api/v1/pools/x",
        "/api/v1/queries",
        "/nothing",
    ] {
        let (status, answer) = house.get(path, "").await;
        assert_eq!(status, 401, "{path}");
        assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(house.get(path, "").await.0, 200, "{path}");
    }
    assert_eq!(house.get("/metrics", "Authorization: Bearer wrong!\r\n").await.0, 401);
    assert_eq!(house.get("/metrics", "Authorization: Bearer s3cret\r\n").await.0, 200);
    house.close().await;
}

#[tokio::test]
async fn an_agent_that_does_not_answer_is_not_alive() {
    let house = House::open(Access::default(), false).await;
    let (status, answer) = house.get("/healthz", "").await;
    assert_eq!(status, 503);
    assert!(answer.contains("did not answer within 2 s"), "{answer}");
    house.close().await;
}

#[tokio::test]
async fn slow_and_hostile_clients_do_not_hold_the_door() {
    let house = House::open(Access::default(), true).await;
    let long = format!("X-Long: {}\r\n", "x".repeat(64 * 1024));
    assert_eq!(house.get("/healthz", &long).await.0, 431);
    let address = house.address;
    // More than are let in at once: none of them ever finishes its request's head.
    let slow = spawn_blocking(move || {
        let begun = (0..1000).map(|_| {
            let mut stream = connect(address);
            stream.write_all(b"GET /healthz HTTP/1.1\r\nX: ").expect("the door listens");
            stream
        });
        begun.collect::<Vec<_>>()
    });
    let mut slow = slow.await.expect("the clients do not panic");
    // The newest of them would be sent away after 5 s.
    let honest = timeout(Duration::from_secs(4), house.get("/healthz", "")).await;
    assert_eq!(honest.expect("it does not wait for the slow ones").0, 200);
    let end = spawn_blocking(move || slow.remove(0).read_to_end(&mut Vec::new()));
    assert!(end.await.expect("the client does not panic").is_ok());
    house.close().await;
}

#[tokio::test]
async fn a_body_is_not_waited_for() {
    let house = House::open(Access::default(), true).await;
    let (status, _) = house.get("/healthz", "Content-Length: 1000000000\r\n").await;
    assert_eq!(status, 200);
    house.close().await;
}

#[tokio::test]
async fn the_line_can_be_secured() {
    let folder = Folder::new("tls");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let files =
        (folder.write("cert", &made.cert.pem()), folder.write("key", &made.signing_key.serialize_pem()));
    let access = Access::load(&AccessFiles { auth_token_file: None, tls: Some(files) }).expect("both fit");
    let house = House::open(access, true).await;
    let address = house.address;
    let certificate = made.cert.der().clone();
    let secured = spawn_blocking(move || {
        let mut roots = RootCertStore::empty();
        roots.add(certificate).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let line = ClientConnection::new(Arc::new(config), name).expect("a client");
        talk(StreamOwned::new(line, connect(address)), &request("/healthz", ""))
    });
    assert_eq!(secured.await.expect("the client does not panic").0, 200);
    let plain = spawn_blocking(move || {
        let mut stream = connect(address);
        stream.write_all(request("/healthz", "").as_bytes()).expect("bytes are taken");
        stream.shutdown(Shutdown::Write).expect("the end can be said");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    });
    assert!(!plain.await.expect("the client does not panic").starts_with(b"HTTP"));
    house.close().await;
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("poolwatch-door-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        std::fs::write(&file, text).expect("a file");
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
