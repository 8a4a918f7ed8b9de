//! One thread sends and another receives: an answer may be read before the hook of its request has run.
//!
//! In come choices. Every request is told once, in order; what is not said to be approximate is told as
//! if there were one thread; and no credit for an early answer is left at the end.

use poolwatch_ebpf::wire::flags;

use crate::{
    choices::Choices,
    conversation::without_copy_by_execute,
    judge::judge,
    machine::{Form, Machine},
    side::Side,
    told::told,
};

const SOCKET: u64 = 5;
const IN_FLIGHT: usize = 60;
const WRITER: u32 = 8;
const READER: u32 = 9;

/// Plays a conversation by two threads, and compares with the judge.
pub fn race(bytes: &[u8]) {
    let (said, cuts) = bytes.split_at(bytes.len() / 2);
    let (conversation, choices) = (without_copy_by_execute(&Choices::new(said)), Choices::new(cuts));
    let mut machine = Machine::new();
    machine.thread(7, WRITER);
    machine.connect(SOCKET);
    let (mut client, mut server) = (Side::new(&conversation.client), Side::new(&conversation.server));
    let mut records = Vec::new();
    // What the server has got although the writer's hook has not run.
    let mut late: Option<Vec<u8>> = None;
    while !client.done() || !server.done() || late.is_some() {
        let in_flight = (1 + client.count(b"QSF")).saturating_sub(server.count(b"Z"));
        let ask = client.ready(server.whole, IN_FLIGHT.saturating_sub(in_flight));
        let answer = server.ready(client.whole, usize::MAX);
        let listens = !answer.is_empty() && choices.once_in(2);
        if let Some(bytes) = late.take_if(|_| !listens) {
            send(&mut machine, &bytes);
        } else if late.is_none() && !ask.is_empty() && !listens {
            let piece = &ask[..=choices.below(ask.len())];
            // The greeting is not overtaken: the server has yet to make a process for it.
            if server.count(b"Z") > 0 && choices.once_in(3) {
                late = Some(piece.to_vec());
            } else {
                send(&mut machine, piece);
            }
            client.advance(piece, machine.now());
        } else if !answer.is_empty() {
            let piece = &answer[..=choices.below(answer.len())];
            machine.thread(7, READER);
            machine.receive(SOCKET, &[piece], Form::Buffer, 0);
            server.advance(piece, machine.now());
        }
        records.append(&mut machine.records());
    }
    let early = machine.connection(SOCKET).map_or(0, |connection| connection.early);
    let (expected, _) = judge(&client.crossed.bytes, &server.crossed.bytes).expect("BUG: a conversation");
    let told = told(&records, Machine::identity(SOCKET));
    assert_eq!(told.requests.len(), expected.requests.len(), "requests told and requests made");
    for (at, (said, verdict)) in told.verdict.requests.iter().zip(&expected.requests).enumerate() {
        let request = told.requests[at];
        assert_eq!(request.merged, 1, "request {at}: {request:?}");
        if request.flags & (flags::APPROXIMATE) == 0 {
            assert_eq!(said, verdict, "request {at}");
        }
    }
    assert_eq!(early, 0, "credit is left");
}

fn send(machine: &mut Machine, bytes: &[u8]) {
    machine.thread(7, WRITER);
    machine.send(SOCKET, &[bytes], Form::Buffer);
}
