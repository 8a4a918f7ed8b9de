//! What the user writes and what comes of it.

mod files;
mod flags;
mod variables;
