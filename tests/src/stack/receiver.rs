//! Whoever is woken: takes what Alertmanager posts, and notes when.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header::AUTHORIZATION},
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    runtime::{self, Runtime},
};

use crate::clock;

type Told = Arc<Mutex<Vec<Message>>>;

/// It listens as long as it lives.
pub struct Receiver {
    port: u16,
    told: Told,
    _runtime: Runtime,
}

/// What it was sent.
#[derive(Clone, Debug)]
pub struct Message {
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub at: i128,
    /// Where to.
    pub path: String,
    /// What it showed to be let in.
    pub authorization: String,
    /// The message.
    pub body: Value,
}

impl Message {
    /// The labels of the alerts in it that have this name, service and status (`firing` or `resolved`).
    pub fn alerts<'m>(
        &'m self,
        name: &'m str,
        service: &'m str,
        status: &'m str,
    ) -> impl Iterator<Item = &'m Value> {
        let alerts = self.body.get("alerts").and_then(Value::as_array).into_iter().flatten();
        let wanted = [("/labels/alertname", name), ("/labels/service_name", service), ("/status", status)];
        let fits = move |alert: &&Value| {
            wanted.iter().all(|(place, text)| alert.pointer(place).and_then(Value::as_str) == Some(text))
        };
        alerts.filter(fits).filter_map(|alert| alert.get("labels"))
    }
}

async fn take(State(told): State<Told>, to: Uri, headers: HeaderMap, Json(body): Json<Value>) -> StatusCode {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let message = Message {
        at: clock::monotonic(),
        path: to.path().to_owned(),
        authorization: authorization.to_owned(),
        body,
    };
    told.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    StatusCode::OK
}

impl Receiver {
    /// Listens on a port of its own.
    pub fn start() -> Result<Self> {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let port = listener.local_addr()?.port();
        let told = Told::default();
        let router = Router::new().fallback(take).with_state(Arc::clone(&told));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { port, told, _runtime: runtime })
    }

    /// An address of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Everything that it was sent, in order.
    pub fn messages(&self) -> Vec<Message> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first message on this path, not before a moment, that tells of such an alert; waited for.
    pub fn wait(&self, wait: Duration, since: i128, path: &str, alert: [&str; 3]) -> Result<Message> {
        let [name, service, status] = alert;
        clock::until(wait, &format!("{status} {name} of {service} at {path}"), || {
            let mut messages = self.messages().into_iter();
            Ok(messages.find(|message| {
                message.at >= since
                    && message.path == path
                    && message.alerts(name, service, status).next().is_some()
            }))
        })
    }
}
