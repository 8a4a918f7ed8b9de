//! Who waits for names and for how long, with a runtime that answers what a test wants.

use tokio::sync::mpsc;

use super::*;

/// The other ends of a lookup.
struct Other {
    questions: mpsc::Receiver<Container>,
    answers: mpsc::Sender<Answer>,
}

impl Other {
    fn asked(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.questions.try_recv().ok()).map(|container| container.id).collect()
    }

    fn says(&self, answer: Answer) {
        self.answers.try_send(answer).unwrap();
    }
}

/// A runtime that has answered, but knows nothing yet.
fn answering() -> (Containers, Other) {
    let (questions, asked) = mpsc::channel(8);
    let (answers, told) = mpsc::channel(8);
    let lookup = Some(Lookup::between(questions, told));
    let containers = Containers { lookup, answers: true, ..Containers::default() };
    (containers, Other { questions: asked, answers })
}

fn inside(pid: u32, id: &str, keeper: Keeper) -> Seen {
    Seen::inside(pid, Some(Container { id: id.to_owned(), keeper }))
}

fn names(pod: &str) -> Names {
    Names { container: Some("main".into()), pod: pod.into(), namespace: "shop".into(), workload: None }
}

fn found(id: &str) -> Answer {
    Answer::Found(vec![(id.to_owned(), names("api-1"))])
}

fn sighting(pid: u32) -> Sighting {
    Sighting::of(Event::Tick { at: 1 }, pid)
}

fn pids(news: &News) -> Vec<u32> {
    news.over.iter().map(|waiting| waiting.seen.id.pid).collect()
}

#[test]
fn what_a_process_does_waits_until_it_has_names() {
    let (mut containers, mut other) = answering();
    assert!(containers.wait(inside(7, "a", Keeper::Kubernetes), 0));
    assert_eq!(other.asked(), ["a"]);
    assert!(!containers.may_wait(7) && containers.may_wait(8));
    assert!(containers.holds(&sighting(7)));
    assert!(!containers.holds(&sighting(8)), "another process need not wait");
    containers.hold(sighting(7));
    assert!(pids(&containers.news(1)).is_empty());
    other.says(found("a"));
    let news = containers.news(2);
    assert_eq!((pids(&news), news.over[0].sightings.len(), news.named.len()), (vec![7], 1, 0));
    assert!(!containers.holds(&sighting(7)));
    let seen = inside(7, "a", Keeper::Kubernetes);
    assert_eq!(containers.names(&seen), Some(&names("api-1")));
    containers.meet(&seen);
    assert_eq!((containers.missed(), other.asked().len()), (0, 0));
    assert!(!containers.wait(inside(9, "a", Keeper::Kubernetes), 3), "the next one in it need not wait");
}

#[test]
fn nobody_waits_long_or_in_vain() {
    let (mut containers, other) = answering();
    assert!(containers.wait(inside(7, "a", Keeper::Kubernetes), 0));
    assert!(pids(&containers.news(PATIENCE - 1)).is_empty());
    assert_eq!(pids(&containers.news(PATIENCE)), [7]);
    assert!(containers.wait(inside(8, "b", Keeper::Unsaid), 0));
    other.says(Answer::Unknown("b".into()));
    assert_eq!(pids(&containers.news(1)), [8]);
    assert!(containers.wait(inside(9, "c", Keeper::Kubernetes), 0));
    other.says(Answer::Failed(Some("d".into())));
    assert_eq!(pids(&containers.news(1)), [9]);
    assert!(!containers.may_wait(10), "a runtime that fails is not waited for");
    assert!(!containers.wait(inside(10, "e", Keeper::Kubernetes), 1));
    other.says(found("a"));
    containers.news(2);
    assert!(containers.may_wait(10));
}

#[test]
fn who_is_in_no_container_of_kubernetes_does_not_wait() {
    let (mut containers, mut other) = answering();
    assert!(!containers.wait(Seen::inside(7, None), 0));
    assert!(!containers.wait(inside(7, "a", Keeper::Other), 0));
    containers.meet(&inside(7, "a", Keeper::Other));
    assert_eq!((other.asked().len(), containers.missed()), (0, 0));
    let mut off = Containers::default();
    assert!(!off.may_wait(7));
    off.meet(&inside(7, "a", Keeper::Kubernetes));
    assert_eq!(off.missed(), 0);
}

#[test]
fn a_process_without_names_is_told_again_when_they_are_known() {
    let (mut containers, mut other) = answering();
    let (seen, ended) = (inside(7, "a", Keeper::Kubernetes), inside(8, "a", Keeper::Kubernetes));
    containers.meet(&seen);
    containers.meet(&ended);
    containers.meet(&inside(9, "b", Keeper::Unsaid));
    assert_eq!((other.asked(), containers.missed()), (vec!["a".into(), "a".into(), "b".into()], 2));
    containers.part(8);
    containers.meet(&seen);
    assert_eq!((other.asked().len(), containers.missed()), (1, 2), "a process counts once");
    // It failed at first, and is asked again.
    other.says(Answer::Failed(Some("a".into())));
    assert!(containers.news(AGAIN).named.is_empty());
    assert_eq!(other.asked(), ["a", "b"]);
    containers.news(2 * AGAIN - 1);
    assert!(other.asked().is_empty());
    other.says(Answer::Unknown("b".into()));
    other.says(found("a"));
    assert_eq!(containers.news(2 * AGAIN).named, [seen.id]);
    assert!(other.asked().is_empty(), "nobody is left without an answer");
}

#[test]
fn a_query_and_what_is_too_much_do_not_wait() {
    let (mut containers, _other) = answering();
    assert!(containers.wait(inside(7, "a", Keeper::Kubernetes), 0));
    let query = crate::event::Query {
        id: crate::event::QueryId(1),
        summary: "SELECT".into(),
        operation: String::new(),
    };
    assert!(!containers.holds(&Sighting::of(Event::Query(query), 7)));
    for _ in 0..SIGHTINGS {
        containers.hold(sighting(7));
    }
    assert_eq!(containers.news(1).over[0].sightings.len(), SIGHTINGS);
}

#[test]
fn of_too_many_names_the_oldest_are_forgotten() {
    let (mut containers, other) = answering();
    for number in 0..=REMEMBERED {
        containers.remember(number.to_string(), names("api-1"));
    }
    other.says(found("0"));
    containers.news(1);
    assert_eq!((containers.names.len(), containers.told.len()), (REMEMBERED, REMEMBERED));
    assert!(containers.names(&inside(7, "1", Keeper::Kubernetes)).is_none());
    assert!(containers.names(&inside(7, "0", Keeper::Kubernetes)).is_some());
}
