//! What is seen of encrypted connections at the library that encrypts them: whose plaintext it is, and that nothing secret of it is
//! told.

use poolwatch_ebpf::wire::{Counter, Kind, RequestKind};
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

/// rustls is handed memory, and reads and writes by two places of one object.
fn rust(library: &mut Library, socket: u64, place: u64, sent: &[u8], received: &[u8]) {
    library.rust_write(place, sent);
    library.send(socket, sent.len());
    library.rust_read(place, &[]);
    library.receive(socket, received.len());
    library.rust_read(place, received);
    library.rust_read(place, &[]);
}

/// The same, of who is shown what it takes, and writes pieces.
fn rust_shown(library: &mut Library, socket: u64, place: u64, sent: &[u8], received: &[u8]) {
    if sent.first() == Some(&0) {
        library.rust_write(place, sent);
    } else {
        library.rust_gather(place, sent, 3);
    }
    library.send(socket, sent.len());
    library.receive(socket, received.len());
    library.rust_take(place, received, received.len(), place.is_multiple_of(2));
}

#[test]
fn rustls_is_seen_from_the_beginning() {
    from_the_beginning(rust);
    from_the_beginning(rust_shown);
}

#[test]
fn an_older_connection_by_rustls_is_seen_from_the_second_answer() {
    for step in [rust, rust_shown] {
        let mut library = Library::new();
        library.encrypt(ONE);
        library.rust_read(OF_ONE, &[0x55; 64]);
        for _ in 0..4 {
            step(&mut library, ONE, OF_ONE, &query(), &answer());
        }
        let told = of(&library.machine.records(), ONE);
        let started: Vec<bool> = told.requests.iter().map(|request| request.started != 0).collect();
        assert_eq!(started, [false, true, true]);
    }
}

#[test]
fn an_object_of_rustls_that_moves_misses_nothing() {
    for step in [rust, rust_shown] {
        let mut library = Library::new();
        library.encrypt(ONE);
        step(&mut library, ONE, OF_ONE, &startup(), &welcome());
        for place in [OF_ONE, OF_OTHER, OF_OTHER, OF_ONE + 1, STRANGER] {
            step(&mut library, ONE, place, &query(), &answer());
        }
        let told = of(&library.machine.records(), ONE);
        assert_eq!(kinds(&told), [&[RequestKind::Startup][..], &[RequestKind::Query; 5]].concat());
        for request in &told.requests {
            assert!(request.started != 0 && request.merged == 1, "{request:?}");
        }
    }
}

#[test]
fn neighbours_by_rustls_are_told_apart() {
    let mut library = Library::new();
    let all = [(ONE, OF_ONE), (OTHER, OF_OTHER)];
    for (socket, place) in all {
        library.encrypt(socket);
        library.rust_write(place, &startup());
        library.send(socket, startup().len());
    }
    for (socket, place) in all {
        library.receive(socket, welcome().len());
        library.rust_read(place, &welcome());
    }
    for (socket, place) in all {
        rust(&mut library, socket, place, &query(), &answer());
    }
    let records = library.machine.records();
    for (socket, _) in all {
        assert_eq!(kinds(&of(&records, socket)), [RequestKind::Startup, RequestKind::Query]);
    }
}

/// Two connections by rustls that have asked nothing yet.
fn two_by_rustls() -> Library {
    let mut library = Library::new();
    for (socket, place) in [(ONE, OF_ONE), (OTHER, OF_OTHER)] {
        library.encrypt(socket);
        rust(&mut library, socket, place, &startup(), &welcome());
    }
    library
}

#[test]
fn handshakes_of_others_hide_no_beginning() {
    for step in [handed, rust, rust_shown] {
        let mut library = Library::new();
        for socket in [ONE, OTHER] {
            library.encrypt(socket);
        }
        for (socket, place) in [(ONE, OF_ONE), (OTHER, OF_OTHER)] {
            library.receive(OTHER, 1200);
            library.receive(ONE, 1300);
            library.receive(OTHER, 40);
            step(&mut library, socket, place, &startup(), &welcome());
            step(&mut library, socket, place, &query(), &answer());
        }
        let records = library.machine.records();
        for socket in [ONE, OTHER] {
            assert_eq!(kinds(&of(&records, socket)), [RequestKind::Startup, RequestKind::Query]);
        }
    }
}

#[test]
fn what_is_no_data_on_another_connection_hides_no_move() {
    let mut library = two_by_rustls();
    let moved = [(ONE, STRANGER), (OTHER, STRANGER + 0x1000)];
    for (socket, place) in moved {
        library.rust_write(place, &query());
        library.send(socket, query().len());
    }
    // Session tickets.
    library.receive(OTHER, 250);
    for (socket, place) in moved {
        library.receive(socket, answer().len());
        library.rust_read(place, &answer());
    }
    let records = library.machine.records();
    for (socket, _) in moved {
        assert_eq!(kinds(&of(&records, socket)), [RequestKind::Startup, RequestKind::Query]);
    }
}

#[test]
fn an_answer_that_a_moved_object_may_have_hidden_is_told_as_lost() {
    let mut library = two_by_rustls();
    library.rust_write(STRANGER, &query());
    library.send(ONE, query().len());
    library.receive(ONE, answer().len());
    let between = library.machine.now();
    rust(&mut library, ONE, STRANGER, &query(), &answer());
    let told = of(&library.machine.records(), ONE);
    assert_eq!(kinds(&told), [RequestKind::Startup, RequestKind::Query]);
    assert!(told.requests.iter().any(|request| request.started > between), "{:?}", told.requests);
    assert_eq!(library.machine.count(Counter::PayloadUnread), 1);
}

#[test]
fn others_that_rustls_serves_are_passed_by() {
    let mut library = Library::new();
    library.encrypt(ONE);
    for _ in 0..200 {
        library.rust_write(STRANGER, b"GET / HTTP/1.1\r\n\r\n");
        library.rust_read(STRANGER, b"HTTP/1.1 200 OK\r\n\r\n");
    }
    // What a stranger wrote last is not what is sent here.
    library.rust_write(STRANGER, &query());
    library.send(ONE, startup().len());
    assert!(!library.is_seen(ONE));
    // And its place may be another's then.
    rust(&mut library, ONE, STRANGER, &startup(), &welcome());
    rust(&mut library, ONE, STRANGER, &query(), &answer());
    assert_eq!(kinds(&of(&library.machine.records(), ONE)), [RequestKind::Startup, RequestKind::Query]);
}

#[test]
fn a_place_of_rustls_is_anothers_after_the_end() {
    let mut library = Library::new();
    library.encrypt(ONE);
    rust(&mut library, ONE, OF_ONE, &startup(), &welcome());
    library.machine.close(ONE, 0);
    library.encrypt(OTHER);
    rust(&mut library, OTHER, OF_ONE, &startup(), &welcome());
    rust(&mut library, OTHER, OF_ONE, &query(), &answer());
    assert_eq!(kinds(&of(&library.machine.records(), OTHER)), [RequestKind::Startup, RequestKind::Query]);
}

#[test]
fn what_is_taken_in_parts_is_read_once() {
    let mut library = Library::new();
    library.encrypt(ONE);
    rust_shown(&mut library, ONE, OF_ONE, &startup(), &welcome());
    library.rust_write(OF_ONE, &query());
    library.send(ONE, query().len());
    library.receive(ONE, answer().len());
    let answer = answer();
    let (head, rest) = answer.split_at(9);
    library.rust_take(OF_ONE, &answer, head.len(), true);
    library.rust_take(OF_ONE, rest, rest.len(), false);
    assert_eq!(kinds(&of(&library.machine.records(), ONE)), [RequestKind::Startup, RequestKind::Query]);
}
