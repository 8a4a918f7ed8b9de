//! The paths: which request becomes which question, and who may ask it.
//!
//! Handlers know nothing of pools: they pass the question to the task that owns the state, render the picture that
//! it gives them, and hand out 503 when it does not answer in time. Bodies of requests are not read.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, Query, Request, State, rejection::QueryRejection},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::spawn_blocking,
    time::timeout,
};

use super::{
    access::Access,
    answer::{Answer, Filter, Order, Question},
    picture::Picture,
};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the agent's loop may take to show that it lives.
const ALIVE_WITHIN: Duration = Duration::from_secs(2);

const PATHS: &str = "not found; there are:\n\
    /metrics\n/healthz\n/readyz\n/health/pool?service=&pid=\n/health/details\n/api/v1/pools\n/api/v1/pools/{id}\n\
    /api/v1/queries?order=total|slow|max&limit=\n";

/// One question on its way to the task that owns the state.
#[derive(Debug)]
pub struct Ask {
    /// What is asked.
    pub question: Question,
    /// Where the picture goes; dropped when nobody waits any more.
    pub reply: oneshot::Sender<Picture>,
}

/// The way to the task that owns the state.
#[derive(Clone)]
struct Asks {
    to: mpsc::Sender<Ask>,
    /// One is rendered at a time: pictures and pages are large, and the processor is the watched ones'.
    turn: Arc<Semaphore>,
}

/// The paths, with the token asked for everywhere but where an orchestrator looks.
pub fn router(to: mpsc::Sender<Ask>, access: Access) -> Router {
    let asks = Asks { to, turn: Arc::new(Semaphore::new(1)) };
    let open = Router::new().route("/healthz", get(alive)).route("/readyz", get(ready));
    let guarded = Router::new()
        .route("/metrics", get(metrics))
        .route("/health/pool", get(health))
        .route("/health/details", get(details))
        .route("/api/v1/pools", get(pools))
        .route("/api/v1/pools/{id}", get(pool))
        .route("/api/v1/queries", get(queries))
        .fallback(async || Answer::text(404, PATHS))
        .layer(middleware::from_fn_with_state(access, admit));
    open.merge(guarded).with_state(asks)
}

async fn metrics(State(asks): State<Asks>) -> Answer {
    ask(&asks, Question::Metrics).await
}

async fn alive(State(asks): State<Asks>) -> Answer {
    settle(ALIVE_WITHIN, async { Some(picture(&asks, Question::Alive).await?.render()) }).await
}

async fn ready(State(asks): State<Asks>) -> Answer {
    ask(&asks, Question::Ready).await
}

async fn health(State(asks): State<Asks>, parameters: Result<Query<Parameters>, QueryRejection>) -> Answer {
    ask_about(&asks, parameters, |given| filter(given).map(Question::Health)).await
}

async fn queries(State(asks): State<Asks>, parameters: Result<Query<Parameters>, QueryRejection>) -> Answer {
    ask_about(&asks, parameters, top).await
}

async fn details(State(asks): State<Asks>) -> Answer {
    ask(&asks, Question::Details).await
}

async fn pools(State(asks): State<Asks>) -> Answer {
    ask(&asks, Question::Pools).await
}

async fn pool(State(asks): State<Asks>, Path(id): Path<String>) -> Answer {
    ask(&asks, Question::Pool(id)).await
}

/// What a client gave behind the path, by name; an empty value is as good as none.
type Parameters = HashMap<String, String>;

fn given<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a String> {
    parameters.get(name).filter(|value| !value.is_empty())
}

fn filter(parameters: &Parameters) -> Result<Filter, String> {
    let pid = given(parameters, "pid");
    let pid = pid.map(|pid| pid.parse().map_err(|_| format!("pid is a number, not {pid:?}")));
    Ok(Filter { service: given(parameters, "service").cloned(), pid: pid.transpose()? })
}

fn top(parameters: &Parameters) -> Result<Question, String> {
    let order = given(parameters, "order").map(|word| {
        let named = Order::ALL.into_iter().find(|order| order.as_str() == word);
        named.ok_or_else(|| format!("order is total, slow or max, not {word:?}"))
    });
    let limit = given(parameters, "limit").map(|limit| {
        let number = limit.parse().ok().filter(|limit| *limit > 0);
        number.ok_or_else(|| format!("limit is a number from 1 on, not {limit:?}"))
    });
    Ok(Question::Queries(order.transpose()?.unwrap_or_default(), limit.transpose()?))
}

async fn ask_about(
    asks: &Asks,
    parameters: Result<Query<Parameters>, QueryRejection>,
    question: impl FnOnce(&Parameters) -> Result<Question, String>,
) -> Answer {
    let Ok(Query(parameters)) = parameters else { return Answer::error(400, "the query cannot be read") };
    match question(&parameters) {
        Ok(question) => ask(asks, question).await,
        Err(why) => Answer::error(400, why),
    }
}

async fn ask(asks: &Asks, question: Question) -> Answer {
    settle(PATIENCE, async {
        let turn = Arc::clone(&asks.turn).acquire_owned().await.ok()?;
        let picture = picture(asks, question).await?;
        let rendered = spawn_blocking(move || {
            let answer = picture.render();
            // Who asked may have left, and the next would render beside this one.
            drop(turn);
            answer
        });
        rendered.await.ok()
    })
    .await
}

/// What the task that owns the state gives for a question.
async fn picture(asks: &Asks, question: Question) -> Option<Picture> {
    let (reply, picture) = oneshot::channel();
    asks.to.send(Ask { question, reply }).await.ok()?;
    picture.await.ok()
}

/// The answer, or why there is none.
async fn settle(patience: Duration, asked: impl Future<Output = Option<Answer>>) -> Answer {
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
