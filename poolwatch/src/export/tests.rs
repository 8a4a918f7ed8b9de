//! What the room shows of a hand-made scene.

mod door;
mod json;
mod page;
mod scene;
