//! What the door asks the agent's one task, and what it gets back.
//!
//! Questions hold what a client may say and nothing of HTTP; answers are finished bodies.

use serde::Serialize;

/// One request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// `/metrics`
    Metrics,
    /// `/healthz`
    Alive,
    /// `/readyz`
    Ready,
    /// `/health/pool`
    Health(Filter),
    /// `/health/details`
    Details,
    /// `/api/v1/pools`
    Pools,
    /// `/api/v1/pools/{id}`
    Pool(String),
    /// `/api/v1/queries`, at most so many; `None` = all that are kept.
    Queries(Order, Option<usize>),
}

/// Which queries come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Those on which the most time was spent.
    #[default]
    Total,
    /// Those with the most slow statements.
    Slow,
    /// Those with the longest statement.
    Max,
}

impl Order {
    /// Every order.
    pub const ALL: [Self; 3] = [Self::Total, Self::Slow, Self::Max];

    /// As clients write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Slow => "slow",
            Self::Max => "max",
        }
    }
}

/// Which pools a client wants to see; `None` = all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this service.
    pub service: Option<String>,
    /// Of this process.
    pub pid: Option<u32>,
}

/// A finished answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// MIME type of the body.
    pub content_type: &'static str,
    /// Body.
    pub body: String,
}

impl Answer {
    /// A line or more for people.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    /// The page.
    pub const fn page(body: String) -> Self {
        Self { status: 200, content_type: "text/plain; version=0.0.4; charset=utf-8", body }
    }

    /// A JSON document.
    pub fn json(status: u16, document: &impl Serialize) -> Self {
        match serde_json::to_string_pretty(document) {
            Ok(body) => Self { status, content_type: "application/json", body: body + "\n" },
            Err(error) => Self::text(500, format!("cannot write JSON: {error}\n")),
        }
    }

    /// An error as a JSON document.
    pub fn error(status: u16, error: impl Into<String>) -> Self {
        #[derive(Serialize)]
        struct Error {
            error: String,
        }
        Self::json(status, &Error { error: error.into() })
    }
}
