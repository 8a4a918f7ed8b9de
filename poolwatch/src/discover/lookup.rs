//! Questions about processes that take long to answer: files are read, and programs are large. Who asks is answered later,
//! by a thread of its own, which remembers what it found.

use std::{sync::mpsc, thread};

use crate::privilege;

/// Asks about processes.
pub struct Lookup<Found> {
    questions: mpsc::Sender<u32>,
    answers: mpsc::Receiver<Found>,
}

impl<Found: Send + 'static> Lookup<Found> {
    /// Starts the thread, which ends with it. `look` finds something of a process, or nothing.
    pub fn start(mut look: impl FnMut(u32) -> Option<Found> + Send + 'static) -> Self {
        let (questions, pids) = mpsc::channel::<u32>();
        let (found, answers) = mpsc::channel();
        thread::spawn(move || {
            // Capabilities are each thread's own. It begins before the others give theirs up.
            let _ = privilege::drop_others(true)
                .inspect_err(|error| tracing::warn!(%error, "cannot give up capabilities"));
            for pid in pids {
                if let Some(answer) = look(pid)
                    && found.send(answer).is_err()
                {
                    return;
                }
            }
        });
        Self { questions, answers }
    }

    /// Asks about a process.
    pub fn ask(&self, pid: u32) {
        // A thread that died by a panic finds nothing any more: other evidence is left.
        let _ = self.questions.send(pid);
    }

    /// What was found since the last call.
    pub fn answers(&self) -> impl Iterator<Item = Found> {
        self.answers.try_iter()
    }
}
