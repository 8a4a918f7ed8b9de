//! One file per hook, named by the domain word.

mod borrow;
mod call;
mod process;
mod sock;
mod state;
mod wait;
