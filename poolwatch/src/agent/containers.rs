//! How containers are called, and whose first records wait to learn it.
//!
//! Containers come in as processes are met, names go out as their runtime answers. A process that was counted under
//! one name and then under another would be two services: so what is first seen of a process in an unknown container
//! waits, for moments, and only while the runtime answers. Nobody else's records do.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::{
    config::Cri,
    discover::{
        Container, Keeper, Seen,
        cri::{Answer, CONTAINERS, Lookup, Names},
    },
    event::{Event, HashMap, ProcessId, SECOND, Time},
    intake::Sighting,
};

/// Containers and pods whose names are remembered; of more, the one told first is forgotten, and asked for when it is
/// met again.
const REMEMBERED: usize = 2 * CONTAINERS;
/// Sightings that wait at once, some 2 MB; of more, none waits any longer.
const SIGHTINGS: usize = 4096;
/// How long those of one process wait: many times what a runtime takes that is well.
const PATIENCE: Time = SECOND / 4;
/// How long the agent waits at its start, before it watches anything, for the names that there are already.
const START: Duration = Duration::from_secs(1);
/// How often it is asked again for containers without names.
const AGAIN: Time = 5 * SECOND;

/// Names of containers.
#[derive(Debug, Default)]
pub struct Containers {
    /// None where nobody is to be asked.
    lookup: Option<Lookup>,
    /// The runtime answered what it was asked last.
    answers: bool,
    names: HashMap<String, Names>,
    /// Their order of telling.
    told: VecDeque<String>,
    waiting: BTreeMap<u32, Waiting>,
    /// Sightings of all that wait.
    held: usize,
    /// Living processes that were told of without the names of their container.
    nameless: BTreeMap<u32, (ProcessId, Container)>,
    asked: Time,
    missed: u64,
}

/// A process that waits for the names of its container.
#[derive(Debug)]
pub struct Waiting {
    /// As it was when it was first seen: it may have ended since.
    pub seen: Seen,
    /// What it did, in order.
    pub sightings: Vec<Sighting>,
    until: Time,
}

/// What was learned.
#[derive(Debug, Default)]
pub struct News {
    /// Processes that wait no longer.
    pub over: Vec<Waiting>,
    /// Processes that were told of without names which are known now.
    pub named: Vec<ProcessId>,
}

impl Containers {
    /// Learns the names that there are, and asks for others from then on.
    pub async fn start(wanted: Cri) -> Self {
        let mut containers = Self::default();
        if wanted != Cri::Off {
            let mut lookup = Lookup::start(wanted);
            if let Some(answer) = lookup.first(START).await {
                containers.learn(answer, &mut News::default());
            }
            containers.lookup = Some(lookup);
        }
        containers
    }

    /// The names of a process's container.
    pub fn names(&self, seen: &Seen) -> Option<&Names> {
        self.names.get(&seen.container.as_ref()?.id)
    }

    /// Its container has no names yet, and somebody may know some.
    fn lacks(&self, seen: &Seen) -> Option<&Lookup> {
        let container = seen.container.as_ref()?;
        let unknown = container.keeper != Keeper::Other && !self.names.contains_key(&container.id);
        self.lookup.as_ref().filter(|_| unknown)
    }

    /// A process was told of. Without names of its container it will be told of again, when they are known.
    pub fn meet(&mut self, seen: &Seen) {
        let (Some(lookup), Some(container)) = (self.lacks(seen), &seen.container) else { return };
        lookup.ask(container);
        let before = self.nameless.insert(seen.id.pid, (seen.id, container.clone()));
        // It may only have become another program.
        if before.is_none_or(|(id, _)| id != seen.id) && container.keeper == Keeper::Kubernetes {
            self.missed += 1;
        }
    }

    /// A process ended.
    pub fn part(&mut self, pid: u32) {
        self.nameless.remove(&pid);
    }

    /// Has a process wait for names that can be expected. False when there is nothing to wait for.
    pub fn wait(&mut self, seen: Seen, now: Time) -> bool {
        let Some(lookup) = self.lacks(&seen) else { return false };
        let asked = seen.container.as_ref().is_some_and(|container| lookup.ask(container));
        let waits = self.answers && asked && self.held < SIGHTINGS;
        if waits {
            let waiting = Waiting { seen, sightings: Vec::new(), until: now.saturating_add(PATIENCE) };
            self.waiting.insert(waiting.seen.id.pid, waiting);
        }
        waits
    }

    /// A process that is new might have to wait: it does not yet, and answers can be expected.
    pub fn may_wait(&self, pid: u32) -> bool {
        self.answers && !self.waiting.contains_key(&pid)
    }

    /// What a process does while it waits is to be kept. A query is told once, for all processes.
    pub fn holds(&self, sighting: &Sighting) -> bool {
        !self.waiting.is_empty()
            && self.waiting.contains_key(&sighting.pid)
            && !matches!(sighting.event, Some(Event::Query(_)))
    }

    /// Keeps it.
    pub fn hold(&mut self, sighting: Sighting) {
        if let Some(waiting) = self.waiting.get_mut(&sighting.pid) {
            waiting.sightings.push(sighting);
            self.held += 1;
        }
    }

    /// Hears what was answered.
    pub fn news(&mut self, now: Time) -> News {
        let mut news = News::default();
        let answers: Vec<Answer> = self.lookup.iter_mut().flat_map(Lookup::answers).collect();
        for answer in answers {
            self.learn(answer, &mut news);
        }
        let full = self.held >= SIGHTINGS;
        let over = |waiting: &Waiting| full || waiting.until <= now;
        self.release(&mut news, over);
        if now.saturating_sub(self.asked) >= AGAIN {
            self.asked = now;
            self.ask_again();
        }
        news
    }

    /// Processes that were told of although Kubernetes' names of their container were not known.
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    fn learn(&mut self, answer: Answer, news: &mut News) {
        self.answers = !matches!(answer, Answer::Failed(_));
        match answer {
            Answer::Found(found) => {
                for (id, names) in found {
                    self.remember(id.clone(), names);
                    self.release(news, |waiting| is_in(&waiting.seen, &id));
                    let named = self.nameless.extract_if(.., |_, (_, container)| container.id == id);
                    news.named.extend(named.map(|(_, (process, _))| process));
                }
            }
            // It has none: whoever waits for them waits in vain.
            Answer::Unknown(id) => {
                self.nameless.retain(|_, (_, container)| container.id != id);
                self.release(news, |waiting| is_in(&waiting.seen, &id));
            }
            Answer::Failed(_) => self.release(news, |_| true),
        }
    }

    fn remember(&mut self, id: String, names: Names) {
        if self.names.insert(id.clone(), names).is_none() {
            self.told.push_back(id);
        }
        if self.told.len() > REMEMBERED
            && let Some(oldest) = self.told.pop_front()
        {
            self.names.remove(&oldest);
        }
    }

    fn release(&mut self, news: &mut News, over: impl Fn(&Waiting) -> bool) {
        let released = self.waiting.extract_if(.., |_, waiting| over(waiting));
        news.over.extend(released.map(|(_, waiting)| waiting));
        self.held = self.waiting.values().map(|waiting| waiting.sightings.len()).sum();
    }

    fn ask_again(&self) {
        let Some(lookup) = &self.lookup else { return };
        for (_, container) in self.nameless.values() {
            if !lookup.ask(container) {
                return;
            }
        }
    }
}

fn is_in(seen: &Seen, id: &str) -> bool {
    seen.container.as_ref().is_some_and(|container| container.id == id)
}

#[cfg(test)]
mod tests;
