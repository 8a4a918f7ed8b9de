//! How containers and pods are called, as the container runtime of this machine says.
//!
//! Identities from cgroups come in, names go out, later: a task of its own asks, so that nobody who asks waits. A
//! runtime that does not answer is told of once, and tried again now and then.

mod client;
mod message;
mod socket;
mod workload;

use std::{path::PathBuf, pin::pin, time::Duration};

use anyhow::{Result, anyhow};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use self::{client::Client, socket::SOCKETS};
use super::cgroup::{Container, Keeper};
use crate::config::Cri;

/// Containers whose names are told at once when the runtime is first asked; others are asked for as they are met.
pub const CONTAINERS: usize = 4096;
/// Questions, and answers, that wait at once; further questions are dropped, to be asked again.
const WAITING: usize = 1024;
/// How long a runtime that failed is left alone.
const REST: Duration = Duration::from_secs(5);
/// How long all sockets together are tried.
const TRIAL: Duration = Duration::from_secs(5);

/// How a container, or a pod, is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Name of the container in its pod; `None` for the pod's own.
    pub container: Option<String>,
    /// Name of its pod.
    pub pod: String,
    /// Kubernetes namespace.
    pub namespace: String,
    /// Workload that the pod is one of, where its labels tell.
    pub workload: Option<String>,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Names, by the container's identity.
    Found(Vec<(String, Names)>),
    /// The runtime knows no such container.
    Unknown(String),
    /// Nobody could be asked: for this container, or for all names.
    Failed(Option<String>),
}

/// Asks the runtime.
#[derive(Debug)]
pub struct Lookup {
    questions: mpsc::Sender<Container>,
    answers: mpsc::Receiver<Answer>,
}

impl Lookup {
    /// Starts its task, which ends with it, and first asks for all names that there are.
    pub fn start(wanted: Cri) -> Self {
        let (questions, asked) = mpsc::channel(WAITING);
        let (answering, answers) = mpsc::channel(WAITING);
        tokio::spawn(Desk { wanted, client: None, complained: false }.serve(asked, answering));
        Self { questions, answers }
    }

    /// Asks whoever holds the other ends.
    #[cfg(test)]
    pub fn between(questions: mpsc::Sender<Container>, answers: mpsc::Receiver<Answer>) -> Self {
        Self { questions, answers }
    }

    /// Waits for the first answer, but no longer than this.
    pub async fn first(&mut self, patience: Duration) -> Option<Answer> {
        timeout(patience, self.answers.recv()).await.ok().flatten()
    }

    /// Asks for a container. False when too many questions wait.
    pub fn ask(&self, container: &Container) -> bool {
        self.questions.try_send(container.clone()).is_ok()
    }

    /// What was answered since the last call.
    pub fn answers(&mut self) -> impl Iterator<Item = Answer> {
        std::iter::from_fn(|| self.answers.try_recv().ok())
    }
}

/// Where questions are answered.
struct Desk {
    wanted: Cri,
    client: Option<Client>,
    /// It was told that there is no answer.
    complained: bool,
}

impl Desk {
    async fn serve(mut self, mut questions: mpsc::Receiver<Container>, answers: mpsc::Sender<Answer>) {
        let mut answer = self.all().await;
        loop {
            let failed = matches!(answer, Answer::Failed(_));
            if answers.send(answer).await.is_err() || (failed && !rest(&mut questions, &answers).await) {
                return;
            }
            let Some(container) = questions.recv().await else { return };
            answer = self.answer(container).await;
        }
    }

    /// All names. That there is no runtime is nothing to tell of, unless one was named.
    async fn all(&mut self) -> Answer {
        let all = match self.open().await {
            Ok(client) => client.all(CONTAINERS).await,
            Err(error) => Err(error),
        };
        all.map_or_else(
            |error| {
                self.fail(&error, matches!(self.wanted, Cri::At(_)));
                Answer::Failed(None)
            },
            Answer::Found,
        )
    }

    async fn answer(&mut self, container: Container) -> Answer {
        let Container { id, keeper } = container;
        let names = match self.open().await {
            Ok(client) => client.one(&id).await,
            Err(error) => Err(error),
        };
        match names {
            Ok(Some(names)) => Answer::Found(vec![(id, names)]),
            Ok(None) => Answer::Unknown(id),
            Err(error) => {
                self.fail(&error, keeper == Keeper::Kubernetes);
                Answer::Failed(Some(id))
            }
        }
    }

    async fn open(&mut self) -> Result<&mut Client> {
        if self.client.is_none() {
            let found = timeout(TRIAL, open(&self.wanted)).await??;
            let (socket, client) = found.ok_or_else(|| absent(&self.wanted))?;
            let (socket, runtime) = (socket.display(), &client.runtime);
            tracing::info!(%socket, runtime, "containers are named by their runtime");
            self.client = Some(client);
            self.complained = false;
        }
        self.client.as_mut().ok_or_else(|| anyhow!("BUG: it was opened"))
    }

    fn fail(&mut self, error: &anyhow::Error, missed: bool) {
        self.client = None;
        let reason = format!("{error:#}");
        if missed && !self.complained {
            self.complained = true;
            tracing::warn!(
                reason,
                "containers and pods have no names: their runtime cannot be asked (--cri)"
            );
        } else {
            tracing::debug!(reason, "the container runtime cannot be asked");
        }
    }
}

/// Asks nobody for a while. False when nobody is left who wants an answer.
async fn rest(questions: &mut mpsc::Receiver<Container>, answers: &mpsc::Sender<Answer>) -> bool {
    let mut rest = pin!(sleep(REST));
    loop {
        let container = tokio::select! {
            () = &mut rest => return true,
            container = questions.recv() => container,
        };
        let Some(container) = container else { return false };
        if answers.send(Answer::Failed(Some(container.id))).await.is_err() {
            return false;
        }
    }
}

/// The first runtime that answers, and its socket; `None` when there is no socket.
async fn open(wanted: &Cri) -> Result<Option<(PathBuf, Client)>> {
    let mut reasons = Vec::new();
    for socket in socket::candidates(wanted) {
        match Client::open(&socket).await {
            Ok(client) => return Ok(Some((socket, client))),
            Err(error) => reasons.push(format!("{}: {error:#}", socket.display())),
        }
    }
    if reasons.is_empty() { Ok(None) } else { Err(anyhow!(reasons.join("; "))) }
}

fn absent(wanted: &Cri) -> anyhow::Error {
    match wanted {
        Cri::At(path) => anyhow!("there is no socket {}", path.display()),
        _ => anyhow!("there is none of the sockets {}", SOCKETS.join(", ")),
    }
}

/// Which runtime answers, and where; `None` when there is no socket.
///
/// # Errors
/// Why none answers.
pub async fn survey(wanted: &Cri) -> Result<Option<String>> {
    let found = timeout(TRIAL, open(wanted)).await??;
    Ok(found.map(|(socket, client)| format!("{} at {}", client.runtime, socket.display())))
}

#[cfg(test)]
mod tests;
