//! The core from outside: stories told as events, any events in any order, and a model beside it.

mod any_order;
mod ending;
mod living;
mod membership;
mod model;
mod plan;
mod serving;
mod size;
mod statement;
mod time;
mod usage;
mod waiting;
mod world;
