//! What the room shows of a hand-made scene.

use super::{Answer, Exporter, Question};
use crate::infer::snapshot::Snapshot;

mod door;
mod json;
mod page;
mod scene;

impl Exporter {
    fn answer(&mut self, question: &Question, snapshot: &Snapshot) -> Answer {
        self.picture(question.clone(), snapshot.clone()).render()
    }
}
