//! The paths: which request becomes which question, and who may ask it.
//!
//! Handlers know nothing of pools: they pass the question to the task that owns the state and hand
//! out its answer, or 503 when it does not answer in time. Bodies of requests are not read.

use std::{collections::HashMap, time::Duration};

use axum::{
    Router,
    extract::{Path, Query, Request, State, rejection::QueryRejection},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    access::Access,
    answer::{Answer, Filter, Question},
};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the agent's loop may take to show that it lives.
const ALIVE_WITHIN: Duration = Duration::from_secs(2);

const PATHS: &str = "not found; there are:\n\
    /metrics\n/healthz\n/readyz\n/health/pool?service=&pid=\n/health/details\n/api/v1/pools\n/api/v1/pools/{id}\n";

/// One question on its way to the task that owns the state.
#[derive(Debug)]
pub struct Ask {
    /// What is asked.
    pub question: Question,
    /// Where the answer goes; dropped when nobody waits any more.
    pub reply: oneshot::Sender<Answer>,
}

type Asks = mpsc::Sender<Ask>;

/// The paths, with the token asked for everywhere but where an orchestrator looks.
pub fn router(asks: Asks, access: Access) -> Router {
    let open = Router::new().route("/healthz", get(alive)).route("/readyz", get(ready));
    let guarded = Router::new()
        .route("/metrics", get(metrics))
        .route("/health/pool", get(health))
        .route("/health/details", get(details))
        .route("/api/v1/pools", get(pools))
        .route("/api/v1/pools/{id}", get(pool))
        .fallback(async || Answer::text(404, PATHS))
        .layer(middleware::from_fn_with_state(access, admit));
    open.merge(guarded).with_state(asks)
}

async fn metrics(State(asks): State<Asks>) -> Answer {
    ask(&asks, Question::Metrics, PATIENCE).await
}

async fn alive(State(asks): State<Asks>) -> Answer {
    ask(&asks, Question::Alive, ALIVE_WITHIN).await
}

async fn ready(State(asks): State<Asks>) -> Answer {
    ask(&asks, Question::Ready, PATIENCE).await
}

async fn health(
    State(asks): State<Asks>,
    query: Result<Query<HashMap<String, String>>, QueryRejection>,
) -> Answer {
    let Ok(Query(query)) = query else { return Answer::error(400, "the query cannot be read") };
    match filter(&query) {
        Ok(filter) => ask(&asks, Question::Health(filter), PATIENCE).await,
        Err(why) => Answer::error(400, why),
    }
}

async fn details(State(asks): State<Asks>) -> Answer {
    ask(&asks, Question::Details, PATIENCE).await
}

async fn pools(State(asks): State<Asks>) -> Answer {
    ask(&asks, Question::Pools, PATIENCE).await
}

async fn pool(State(asks): State<Asks>, Path(id): Path<String>) -> Answer {
    ask(&asks, Question::Pool(id), PATIENCE).await
}

/// An empty value filters nothing.
fn filter(query: &HashMap<String, String>) -> Result<Filter, String> {
    let given = |name: &str| query.get(name).filter(|value| !value.is_empty());
    let pid = given("pid").map(|pid| pid.parse().map_err(|_| format!("pid is a number, not {pid:?}")));
    Ok(Filter { service: given("service").cloned(), pid: pid.transpose()? })
}

async fn ask(asks: &Asks, question: Question, patience: Duration) -> Answer {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        asks.send(Ask { question, reply }).await.ok()?;
        answer.await.ok()
    };
    match timeout(patience, asked).await {
        Ok(Some(answer)) => answer,
        Ok(None) => Answer::text(503, "the agent is stopping\n"),
        Err(_) => Answer::text(503, format!("the agent did not answer within {} s\n", patience.as_secs())),
    }
}

async fn admit(State(access): State<Access>, request: Request, next: Next) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION);
    if access.admits(authorization.map(axum::http::HeaderValue::as_bytes)) {
        return next.run(request).await;
    }
    let denied = Answer::text(401, "this needs the header `Authorization: Bearer TOKEN`\n");
    ([(header::WWW_AUTHENTICATE, "Bearer")], denied).into_response()
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, self.content_type)], self.body).into_response()
    }
}
