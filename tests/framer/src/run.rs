//! Plays a conversation to the probes, cut into calls by choice, and compares what they say with the judge.

use poolwatch_ebpf::wire::{Counter, Kind};

use crate::{
    choices::Choices,
    conversation::{Conversation, conversation},
    judge::judge,
    machine::{Form, Machine, PEEK},
    side::{Crossed, Side},
    told::told,
};

/// Requests that may be in flight and are still kept apart; a little below the queue's room.
const IN_FLIGHT: usize = 60;
const SOCKET: u64 = 5;

/// The calls so far, shown when something turns out to be wrong.
#[derive(Default)]
struct Trace(Vec<String>);

impl Drop for Trace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("calls:\n{}", self.0.join("\n"));
        }
    }
}

/// Draws a conversation by the first half of the decisions, and its cuts by the second.
pub fn differ(bytes: &[u8]) {
    let (said, cuts) = bytes.split_at(bytes.len() / 2);
    play(&conversation(&Choices::new(said)), &Choices::new(cuts));
}

/// Plays and compares; panics where the probes say something else than the judge.
pub fn play(conversation: &Conversation, choices: &Choices<'_>) {
    let mut machine = Machine::new();
    machine.connect(SOCKET);
    let mut client = Side::new(&conversation.client);
    let mut server = Side::new(&conversation.server);
    let mut records = Vec::new();
    let mut trace = Trace::default();
    while !client.done() || !server.done() {
        let in_flight = (1 + client.count(b"QSF")).saturating_sub(server.count(b"Z"));
        let ask = client.ready(server.whole, IN_FLIGHT.saturating_sub(in_flight));
        let answer = server.ready(client.whole, usize::MAX);
        if !ask.is_empty() && (answer.is_empty() || choices.once_in(2)) {
            call(&mut machine, &mut client, &ask, choices, true, &mut trace);
        } else {
            assert!(!answer.is_empty(), "BUG: nobody may speak");
            call(&mut machine, &mut server, &answer, choices, false, &mut trace);
        }
        records.append(&mut machine.records());
    }
    machine.close(SOCKET, 0);
    records.append(&mut machine.records());
    compare(&machine, &records, &client.crossed, &server.crossed);
}

fn call(
    machine: &mut Machine,
    side: &mut Side<'_>,
    ready: &[u8],
    choices: &Choices<'_>,
    sends: bool,
    trace: &mut Trace,
) {
    let length = match choices.below(4) {
        0 => ready.len(),
        1 => 1 + choices.below(9),
        2 => 1 + choices.below(200),
        _ => 1 + choices.below(ready.len()),
    };
    let bytes = &ready[..length.min(ready.len())];
    let form = Form::of(u8::try_from(choices.below(3)).unwrap_or(0));
    let segments = cut(bytes, choices);
    trace.0.push(format!("{} {form:?} {}", if sends { "sent" } else { "received" }, shown(&segments)));
    match choices.below(16) {
        1 => machine.fruitless(SOCKET, -11, sends),
        2 if !sends => machine.receive(SOCKET, &segments, form, PEEK),
        _ => {}
    }
    if sends {
        machine.send(SOCKET, &segments, form);
    } else {
        machine.receive(SOCKET, &segments, form, 0);
    }
    side.advance(bytes, machine.now());
}

/// Letters as they are, the rest as dots, long ones cut.
fn shown(segments: &[&[u8]]) -> String {
    let letters = |bytes: &[u8]| -> String {
        let shown = bytes.iter().take(60).map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '.' });
        let text: String = shown.collect();
        format!("{}:{text}", bytes.len())
    };
    segments.iter().map(|segment| letters(segment)).collect::<Vec<_>>().join(" | ")
}

/// Segments of one call, empty ones among them.
fn cut<'a>(mut bytes: &'a [u8], choices: &Choices<'_>) -> Vec<&'a [u8]> {
    let mut segments = Vec::new();
    for _ in 0..choices.size(6) {
        let (segment, rest) = bytes.split_at(choices.size(bytes.len()).min(bytes.len()));
        segments.push(segment);
        bytes = rest;
    }
    segments.push(bytes);
    segments
}

fn compare(machine: &Machine, records: &[Vec<u8>], client: &Crossed, server: &Crossed) {
    let (expected, begins) = judge(&client.bytes, &server.bytes).expect("BUG: a valid conversation");
    let told = told(records, Machine::identity(SOCKET));
    let but_messages: Vec<_> = told.kinds.iter().filter(|kind| **kind != Kind::Message).collect();
    assert_eq!(but_messages.first(), Some(&&Kind::Open));
    assert_eq!(but_messages.get(1), Some(&&Kind::Startup));
    assert_eq!(but_messages.last(), Some(&&Kind::Close));
    for (at, (said, verdict)) in told.verdict.requests.iter().zip(&expected.requests).enumerate() {
        assert_eq!(said, verdict, "request {at} of {}", expected.requests.len());
    }
    for (said, verdict) in told.verdict.texts.iter().zip(&expected.texts) {
        assert_eq!(said, verdict, "a text");
    }
    for (said, verdict) in told.verdict.executes.iter().zip(&expected.executes) {
        assert_eq!(said, verdict, "an Execute");
    }
    assert_eq!(told.verdict, expected);
    for (at, (request, begins)) in told.requests.iter().zip(begins).enumerate() {
        assert_eq!((request.flags, request.merged), (0, 1), "request {at}: {request:?}");
        assert_eq!(request.request as usize, at, "{request:?}");
        assert_eq!(request.started, client.at(begins), "start of request {at}");
        assert!(request.first_byte > request.started && request.first_byte <= request.header.time);
    }
    assert_eq!((told.missed, told.unheard, told.gaps), (0, 0, 0), "lost");
    assert_eq!(machine.entries(), [0; 5], "entries left in the maps");
    for counter in [Counter::ClientUnparsed, Counter::ServerUnparsed, Counter::PayloadUnread, Counter::Early]
    {
        assert_eq!(machine.count(counter), 0, "{counter:?}");
    }
}
