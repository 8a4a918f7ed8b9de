//! stub
#![allow(missing_docs, reason = "stands in until the reader of SQL is merged")]
use crate::event::{Query, QueryId};
use std::sync::Arc;
#[derive(Debug, Default)]
pub struct Reader;
impl Reader {
    pub fn new() -> Self {
        Self
    }
    pub fn read(&mut self, text: &[u8], _cut: bool) -> Arc<Script> {
        let id = QueryId(text.iter().fold(7u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100000001b3)));
        let query = Arc::new(Query {
            id,
            summary: String::from_utf8_lossy(text).into_owned(),
            operation: String::new(),
        });
        Arc::new(Script::of(query))
    }
}
#[derive(Debug)]
pub struct Script {
    pub statements: Vec<Spoken>,
}
impl Script {
    pub fn of(query: Arc<Query>) -> Self {
        Self { statements: vec![Spoken { query, effect: Effect::None }] }
    }
}
#[derive(Debug)]
pub struct Spoken {
    pub query: Arc<Query>,
    pub effect: Effect,
}
#[derive(Debug)]
pub enum Effect {
    None,
    Prepare { name: Box<[u8]>, query: Arc<Query> },
    Execute { name: Box<[u8]> },
    Deallocate { name: Box<[u8]> },
    DeallocateAll,
}
