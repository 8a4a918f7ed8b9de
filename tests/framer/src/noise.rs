//! Arbitrary bytes in arbitrary calls: nothing may overflow, grow or stick.
//!
//! In come choices. Some calls carry pieces of a valid conversation, others anything. Afterwards a
//! well-behaved connection beside the noisy one has been told exactly, and the noisy one itself is right
//! again from its second plain request on.

use poolwatch_ebpf::wire::{Header, Kind, Record, Request, flags};

use crate::{
    choices::Choices,
    conversation::conversation,
    machine::{Form, Machine, PEEK},
    message::{complete, message, packet, ready},
};

/// Most calls of one input.
const CALLS: usize = 200;
const NOISY: u64 = 5;
const QUIET: u64 = 6;
/// Plain requests afterwards: the first may fall into a body that never ended.
const AFTERWARDS: usize = 3;

/// Makes noise and looks what it left.
pub fn noise(bytes: &[u8]) {
    let mut machine = Machine::new();
    let choices = Choices::new(bytes);
    open(&mut machine, QUIET);
    match choices.below(4) {
        0 => open(&mut machine, NOISY),
        1 => machine.connect(NOISY),
        certain => machine.adopt(NOISY, certain == 2),
    }
    let valid = conversation(&Choices::new(bytes));
    let mut asked = 0;
    for _ in 0..CALLS {
        if choices.is_empty() {
            break;
        }
        call(&mut machine, &choices, &valid);
        if choices.once_in(8) {
            asked += 1;
            plain(&mut machine, QUIET);
        }
    }
    let told = told(&machine.records(), QUIET);
    assert_eq!(told.len(), 1 + asked, "requests of the quiet connection");
    assert!(told.iter().all(|request| request.flags == 0 && request.merged == 1), "{told:?}");
    recovers(&mut machine);
    machine.close(NOISY, 0);
    machine.close(QUIET, 0);
    assert_eq!(machine.entries(), [0; 5], "entries left in the maps");
}

fn call(machine: &mut Machine, choices: &Choices<'_>, valid: &crate::conversation::Conversation) {
    let sends = choices.once_in(2);
    let lines = if sends { &valid.client } else { &valid.server };
    let piece: Vec<u8> = match choices.below(4) {
        0 => (0..choices.size(300)).map(|_| choices.byte()).collect(),
        1 => letter(choices),
        _ => lines.get(choices.below(lines.len().max(1))).map(|line| line.bytes.clone()).unwrap_or_default(),
    };
    let cut = choices.below(piece.len() + 1);
    let (first, second) = piece.split_at(cut);
    let form = Form::of(choices.byte());
    if choices.once_in(20) {
        machine.thread(7, 7 + u32::from(choices.byte()));
    }
    match (choices.below(12), sends) {
        (0, _) => machine.fruitless(NOISY, -i32::from(choices.byte()), sends),
        (1, false) => machine.fruitless(NOISY, 0, false),
        (2, false) => machine.receive(NOISY, &[first, second], form, PEEK),
        (3, _) => machine.unreadable(NOISY, piece.len(), sends),
        (_, true) if !piece.is_empty() => machine.send(NOISY, &[first, second], form),
        (_, false) if !piece.is_empty() => machine.receive(NOISY, &[first, second], form, 0),
        _ => {}
    }
}

/// A message whose letter may be right and whose length is anything.
fn letter(choices: &Choices<'_>) -> Vec<u8> {
    let letters = b"BCcdDEFfHpPQSXAGIKnNRsStTvVWZ123";
    let mut bytes = vec![*letters.get(choices.below(letters.len())).unwrap_or(&b'Q')];
    bytes.extend((0..4).map(|_| if choices.once_in(3) { choices.byte() } else { 0 }));
    bytes.extend((0..choices.below(8)).map(|_| choices.byte()));
    bytes
}

fn open(machine: &mut Machine, socket: u64) {
    machine.connect(socket);
    machine.send(socket, &[&packet(3 << 16, b"user\0app\0\0")], Form::Buffer);
    let welcome = [message(b'R', b"\0\0\0\0"), ready(b'I')].concat();
    machine.receive(socket, &[&welcome], Form::Buffer, 0);
}

fn plain(machine: &mut Machine, socket: u64) {
    machine.send(socket, &[&message(b'Q', b"select 1\0")], Form::Buffer);
    let answer = [message(b'D', b"\0\x01"), complete("SELECT 1"), ready(b'I')].concat();
    machine.receive(socket, &[&answer], Form::Buffer, 0);
}

fn told(records: &[Vec<u8>], socket: u64) -> Vec<Request> {
    let mine = records.iter().filter(|record| {
        let header = Header::read(record).expect("a whole header");
        assert!(Kind::from_number(header.kind).is_some(), "a record of no kind");
        header.socket == Machine::identity(socket) && header.kind == Kind::Request as u32
    });
    mine.map(|record| Request::read(record).expect("a whole record")).collect()
}

/// A body that never ends swallows what follows; whoever is not inside one is right again.
fn recovers(machine: &mut Machine) {
    let Some(c) = machine.connection(NOISY) else { return };
    if c.secured != 0 || c.awaiting != 0 || c.phase == 0 {
        return;
    }
    let longest = c.tx.remaining.max(c.rx.remaining) as usize;
    if longest > 1 << 20 || c.tx.header_len > 0 || c.rx.header_len > 0 {
        return;
    }
    if c.tx.remaining > 0 {
        machine.send(NOISY, &[&vec![0; c.tx.remaining as usize]], Form::Buffer);
    }
    if c.rx.remaining > 0 {
        machine.receive(NOISY, &[&vec![0; c.rx.remaining as usize]], Form::Buffer, 0);
    }
    machine.records();
    // Answers that nobody asked for, read by another thread than sends, are each taken for one that came early.
    for _ in 0..AFTERWARDS + c.early as usize {
        plain(machine, NOISY);
    }
    let requests = told(&machine.records(), NOISY);
    let (Some(c), Some(last)) = (machine.connection(NOISY), requests.last()) else { return };
    assert_eq!((c.tx.lost, c.rx.lost), (0, 0), "still lost");
    assert_eq!((last.rows, last.completions, last.errors, last.status), (1, 1, 0, b'I'), "{last:?}");
    assert_eq!(last.flags & (flags::APPROXIMATE | flags::RESYNCED), 0, "{last:?}");
}
