//! One file per hook, named by the domain word.

mod borrow;
mod call;
mod plain;
mod process;
mod rust;
mod sock;
mod state;
mod wait;
