//! What is seen of encrypted connections at the library that encrypts them: whose plaintext it is, and that nothing secret of it is
//! told.

use poolwatch_ebpf::wire::{Kind, RequestKind};
use poolwatch_framer::{
    library::Library,
    machine::Machine,
    message::{complete, message, packet, ready},
    told::{Told, told},
};

const VERSION: u32 = 3 << 16;
const ONE: u64 = 1;
const OTHER: u64 = 2;
const OF_ONE: u64 = 0x7f00_1000;
const OF_OTHER: u64 = 0x7f00_2000;
const STRANGER: u64 = 0x7f00_3000;
const SECRET: &str = "planted-password";

fn startup() -> Vec<u8> {
    packet(VERSION, b"user\0app\0database\0shop\0\0")
}

fn asks_for_proof() -> Vec<u8> {
    message(b'R', format!("\0\0\0\x0ar={SECRET},s=salt,i=4096").as_bytes())
}

fn proof() -> Vec<u8> {
    message(b'p', format!("n,,n=,r={SECRET},p=proof").as_bytes())
}

fn welcome() -> Vec<u8> {
    [message(b'R', &[0; 4]), message(b'S', b"server_version\x0015\0"), ready(b'I')].concat()
}

fn query() -> Vec<u8> {
    message(b'Q', b"select 1\0")
}

fn answer() -> Vec<u8> {
    [message(b'T', &[0, 0]), message(b'D', &[0, 0]), complete("SELECT 1"), ready(b'I')].concat()
}

/// The library uses the socket in its calls.
fn own(library: &mut Library, socket: u64, object: u64, sent: &[u8], received: &[u8]) {
    library.write(object, sent, |l| l.send(socket, sent.len()));
    library.read(object, received, |l| l.receive(socket, received.len()));
}

/// It is handed memory.
fn handed(library: &mut Library, socket: u64, object: u64, sent: &[u8], received: &[u8]) {
    library.write(object, sent, |_| ());
    library.send(socket, sent.len());
    library.receive(socket, received.len());
    library.read(object, received, |_| ());
    library.read(object, &[], |_| ());
}

fn of(records: &[Vec<u8>], socket: u64) -> Told {
    told(records, Machine::identity(socket))
}

fn kinds(told: &Told) -> Vec<RequestKind> {
    let kind = |kind: u8| match kind {
        1 => RequestKind::Startup,
        2 => RequestKind::Query,
        _ => RequestKind::Sync,
    };
    told.requests.iter().map(|request| kind(request.kind)).collect()
}

fn from_the_beginning(step: fn(&mut Library, u64, u64, &[u8], &[u8])) {
    let mut library = Library::new();
    library.encrypt(ONE);
    step(&mut library, ONE, OF_ONE, &startup(), &asks_for_proof());
    step(&mut library, ONE, OF_ONE, &proof(), &welcome());
    step(&mut library, ONE, OF_ONE, &query(), &answer());
    let records = library.machine.records();
    let told = of(&records, ONE);
    assert_eq!(kinds(&told), [RequestKind::Startup, RequestKind::Query]);
    assert!(told.kinds.contains(&Kind::Startup), "{:?}", told.kinds);
    assert!(told.requests.iter().all(|request| request.started != 0 && request.merged == 1));
    for record in &records {
        let secret = |bytes: &[u8]| bytes == SECRET.as_bytes();
        assert!(!record.windows(SECRET.len()).any(secret), "a secret was told: {record:?}");
    }
}

#[test]
fn a_library_with_the_socket_is_seen_from_the_beginning() {
    from_the_beginning(own);
}

#[test]
fn a_library_with_memory_is_seen_from_the_beginning() {
    from_the_beginning(handed);
}

#[test]
fn an_older_connection_is_seen_from_its_next_message() {
    let mut library = Library::new();
    library.encrypt(ONE);
    // The rest of a long answer begins no message.
    library.read(OF_ONE, &[0x55; 64], |l| l.receive(ONE, 64));
    assert!(!library.is_seen(ONE));
    own(&mut library, ONE, OF_ONE, &query(), &answer());
    assert_eq!(kinds(&of(&library.machine.records(), ONE)), [RequestKind::Query]);
}

#[test]
fn an_older_connection_by_memory_is_seen_from_the_second_answer() {
    let mut library = Library::new();
    library.encrypt(ONE);
    for _ in 0..4 {
        handed(&mut library, ONE, OF_ONE, &query(), &answer());
    }
    let told = of(&library.machine.records(), ONE);
    assert_eq!(
        told.requests.iter().map(|request| request.started != 0).collect::<Vec<_>>(),
        [false, true, true]
    );
}

#[test]
fn what_cannot_be_told_apart_is_not_bound() {
    let mut library = Library::new();
    library.encrypt(ONE);
    library.encrypt(OTHER);
    for _ in 0..8 {
        library.receive(ONE, answer().len());
        library.receive(OTHER, answer().len());
        library.read(OF_ONE, &answer(), |_| ());
        library.read(OF_OTHER, &answer(), |_| ());
    }
    assert!(!library.is_seen(ONE) && !library.is_seen(OTHER));
}

#[test]
fn lengths_that_do_not_fit_bind_nothing() {
    let mut library = Library::new();
    library.encrypt(ONE);
    for _ in 0..8 {
        library.receive(ONE, answer().len() + 1);
        library.read(OF_ONE, &answer(), |_| ());
    }
    assert!(!library.is_seen(ONE));
}

#[test]
fn others_that_the_library_serves_are_passed_by() {
    let mut library = Library::new();
    library.encrypt(ONE);
    for _ in 0..200 {
        library.write(STRANGER, b"GET / HTTP/1.1\r\n\r\n", |_| ());
        library.read(STRANGER, b"HTTP/1.1 200 OK\r\n\r\n", |_| ());
    }
    own(&mut library, ONE, OF_ONE, &startup(), &welcome());
    assert!(library.is_seen(ONE));
    assert_eq!(kinds(&of(&library.machine.records(), ONE)), [RequestKind::Startup]);
}

#[test]
fn a_freed_object_leaves_its_connection_and_its_place() {
    let mut library = Library::new();
    library.encrypt(ONE);
    own(&mut library, ONE, OF_ONE, &startup(), &welcome());
    assert!(library.is_seen(ONE));
    library.free(OF_ONE);
    assert!(!library.is_seen(ONE));
    library.encrypt(OTHER);
    own(&mut library, OTHER, OF_ONE, &startup(), &welcome());
    assert!(library.is_seen(OTHER) && !library.is_seen(ONE));
}

#[test]
fn an_object_without_a_word_is_not_waited_for() {
    let mut library = Library::new();
    library.encrypt(ONE);
    own(&mut library, ONE, OF_ONE, &startup(), &welcome());
    for _ in 0..8 {
        library.send(ONE, 10);
    }
    assert!(!library.is_seen(ONE), "its plaintext is somebody else's now");
    own(&mut library, ONE, OF_OTHER, &query(), &answer());
    assert!(library.is_seen(ONE));
}

#[test]
fn the_end_of_a_connection_leaves_nothing() {
    let mut library = Library::new();
    library.encrypt(ONE);
    own(&mut library, ONE, OF_ONE, &startup(), &welcome());
    library.machine.close(ONE, 0);
    library.encrypt(OTHER);
    own(&mut library, OTHER, OF_ONE, &startup(), &welcome());
    assert!(library.is_seen(OTHER));
}
