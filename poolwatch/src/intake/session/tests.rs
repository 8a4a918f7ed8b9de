//! Dialogues as the kernel side tells them: records in, statements out.

use poolwatch_ebpf::wire::{
    BOUND, Execute, Header, Message, PIECE_LEN, Request as Answer, Statement as End, name_hash,
};

use super::Sessions;
use crate::event::{Event, Outcome, Request, RequestKind, SocketId, SqlState, Statement, Transaction};

const SOCKET: u64 = 7;

/// A connection's client and server, and what was told of them.
struct Line {
    sessions: Sessions,
    told: Vec<Event>,
    now: u64,
    unheard: u32,
}

impl Line {
    fn new() -> Self {
        Self { sessions: Sessions::new(), told: Vec::new(), now: 1_000, unheard: 0 }
    }

    fn header(&mut self) -> Header {
        self.now += 10;
        let unheard = std::mem::take(&mut self.unheard);
        Header { kind: 0, pid: 42, socket: SOCKET, time: self.now, missed: 0, unheard }
    }

    fn say(&mut self, request: u32, letter: u8, body: &[u8]) -> &mut Self {
        for (n, piece) in body.chunks(PIECE_LEN).enumerate() {
            self.piece(request, letter, body.len(), n * PIECE_LEN, piece);
        }
        self
    }

    fn piece(&mut self, request: u32, letter: u8, length: usize, offset: usize, piece: &[u8]) {
        let header = self.header();
        let (length, offset, kept) = (number(length), number(offset), number(piece.len()));
        let record = Message { header, request, nth: 0, length, offset, kept, letter, reserved: [0; 3] };
        self.sessions.message(&record, piece, &mut |event| self.told.push(event));
    }

    fn query(&mut self, request: u32, text: &str) -> &mut Self {
        self.say(request, b'Q', format!("{text}\0").as_bytes())
    }

    fn parse(&mut self, request: u32, name: &str, text: &str) -> &mut Self {
        self.say(request, b'P', format!("{name}\0{text}\0\0\0").as_bytes())
    }

    fn execute(&mut self, request: u32, nth: u32, name: &str) -> &mut Self {
        let (header, statement) = (self.header(), name_hash(name.as_bytes()));
        let record = Execute { header, statement, request, nth, flags: BOUND, reserved: 0 };
        self.sessions.execute(&record, &mut |event| self.told.push(event));
        self
    }

    fn end(&mut self, request: u32, nth: u32, outcome: u8, command: &str) -> &mut Self {
        let record = End {
            header: self.header(),
            started: 1_000,
            request,
            nth,
            outcome,
            tag: tag(command),
            ..End::default()
        };
        self.sessions.statement(&record, &mut |event| self.told.push(event));
        self
    }

    /// ReadyForQuery, with the last of `outcomes` and what its record tells of the last Execute.
    fn ready(&mut self, answer: &Answer) -> Request {
        let header = self.header();
        let record = Answer { header, started: 1_000, outcome_at: header.time, ..*answer };
        let status = if answer.status == 0 { b'I' } else { answer.status };
        let mut request = request(&record, status);
        self.sessions.request(&record, &mut request, &mut |event| self.told.push(event));
        request
    }

    /// Statements that were told since the last call, by their queries' summaries.
    fn statements(&mut self) -> Vec<(String, Statement)> {
        let mut statements = Vec::new();
        for event in &self.told {
            if let Event::Statement(statement) = event {
                statements.push((self.summary(statement), statement.clone()));
            }
        }
        self.told.retain(|event| matches!(event, Event::Query(_)));
        statements
    }

    fn summary(&self, statement: &Statement) -> String {
        let Some(id) = statement.query else { return "?".to_owned() };
        let told = self.told.iter().find_map(|event| match event {
            Event::Query(query) if query.id == id => Some(query.summary.clone()),
            _ => None,
        });
        told.expect("a query is told before its statements")
    }

    fn check(&mut self, expected: &[(&str, Outcome)]) {
        let got = self.statements();
        let got: Vec<(&str, Outcome)> = got.iter().map(|(name, one)| (name.as_str(), one.outcome)).collect();
        assert_eq!(got, expected);
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap()
}

fn tag(command: &str) -> [u8; poolwatch_ebpf::wire::TAG_LEN] {
    let mut tag = [0; poolwatch_ebpf::wire::TAG_LEN];
    tag[..command.len()].copy_from_slice(command.as_bytes());
    tag
}

fn request(record: &Answer, status: u8) -> Request {
    Request {
        socket: SocketId(SOCKET),
        pid: 42,
        missed: 0,
        started: Some(record.started),
        first_byte: None,
        ended: record.header.time,
        kind: if record.executes > 0 || record.kind == 3 { RequestKind::Sync } else { RequestKind::Query },
        transaction: match status {
            b'T' => Transaction::Open,
            b'E' => Transaction::Failed,
            _ => Transaction::Idle,
        },
        merged: 1,
        executes: record.executes,
        completions: record.completions,
        rows: 0,
        errors: record.errors,
        sent: 0,
        received: 0,
        operation: "".into(),
        sqlstate: SqlState::new(record.sqlstate),
        query: None,
        approximate: false,
        turn: None,
    }
}

/// The answer to a Query whose last statement ended like that.
fn simple(request: u32, outcomes: u32, outcome: u8, command: &str) -> Answer {
    let errors = u32::from(outcome == b'E');
    Answer { request, merged: 1, outcomes, outcome, errors, tag: tag(command), ..Answer::default() }
}

/// The answer to a Sync behind so many Executes, of which the record tells the last.
fn extended(request: u32, executes: u32, name: &str, outcome: u8, command: &str) -> Answer {
    let statement = name_hash(name.as_bytes());
    Answer {
        executes,
        executed: 1,
        bound: 1,
        statement,
        kind: 3,
        ..simple(request, executes, outcome, command)
    }
}

use Outcome::{Completed, Continued, Failed};

#[test]
fn each_statement_of_a_text_is_its_own() {
    let mut line = Line::new();
    line.query(0, "SELECT 1 FROM a; INSERT INTO b VALUES (1); SELECT 2 FROM c");
    line.end(0, 0, b'C', "SELECT 1").end(0, 1, b'C', "INSERT 0 1").ready(&simple(0, 3, b'C', "SELECT 9"));
    let told = line.statements();
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["SELECT a", "INSERT b", "SELECT c"]);
    let rows: Vec<u64> = told.iter().map(|(_, one)| one.rows).collect();
    assert_eq!(rows, [1, 1, 9]);
    // From the first byte, then from each other's ends.
    let took: Vec<Option<u64>> = told.iter().map(|(_, one)| one.took).collect();
    assert_eq!(took, [Some(20), Some(10), Some(10)]);
}

#[test]
fn a_prepared_statement_is_known_by_its_name() {
    let mut line = Line::new();
    line.parse(0, "S_1", "SELECT $1 FROM a").ready(&extended(0, 1, "S_1", b'C', "SELECT 1"));
    line.ready(&extended(1, 1, "S_1", b'C', "SELECT 1"));
    line.ready(&extended(2, 1, "S_2", b'C', "SELECT 1"));
    line.check(&[("SELECT a", Completed), ("SELECT a", Completed), ("?", Completed)]);
}

#[test]
fn a_name_means_what_it_meant_when_it_was_executed() {
    let mut line = Line::new();
    line.parse(0, "", "SELECT 1 FROM a").execute(0, 0, "").parse(1, "", "SELECT 1 FROM b");
    line.ready(&Answer { executed: 0, ..extended(0, 1, "", b'C', "SELECT 1") });
    line.ready(&extended(1, 1, "", b'C', "SELECT 1"));
    line.check(&[("SELECT a", Completed), ("SELECT b", Completed)]);
}

#[test]
fn a_batch_is_one_statement_each() {
    let mut line = Line::new();
    line.parse(0, "", "INSERT INTO a VALUES ($1)");
    for nth in 0..999 {
        line.execute(0, nth, "");
    }
    for nth in 0..999 {
        line.end(0, nth, b'C', "INSERT 0 1");
    }
    line.ready(&extended(0, 1000, "", b'C', "INSERT 0 1"));
    assert_eq!(line.statements().iter().filter(|(name, _)| name == "INSERT a").count(), 1000);
}

#[test]
fn a_suspended_portal_is_continued_not_executed_anew() {
    let mut line = Line::new();
    line.parse(0, "s", "SELECT x FROM a").say(0, b'B', b"c\0s\0\0\0\0\0\0\0").say(0, b'E', b"c\0\0\0\0\x0a");
    let open = |request, outcome, command| Answer {
        executed: 0,
        status: b'T',
        ..extended(request, 1, "", outcome, command)
    };
    line.ready(&open(0, b's', ""));
    line.say(1, b'E', b"c\0\0\0\0\x0a").ready(&open(1, b's', ""));
    line.say(2, b'E', b"c\0\0\0\0\x0a").ready(&open(2, b'C', "SELECT 3"));
    let told = line.statements();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].0.as_str(), told[0].1.resumed, told[0].1.outcome), ("SELECT a", 2, Completed));
}

#[test]
fn a_portal_that_ended_has_no_second_statement() {
    let mut line = Line::new();
    line.parse(0, "s", "SELECT x FROM a").say(0, b'B', b"c\0s\0\0\0\0\0\0\0");
    for request in 0..2 {
        line.say(request, b'E', b"c\0\0\0\0\x0a");
        line.ready(&Answer { executed: 0, status: b'T', ..extended(request, 1, "", b'C', "SELECT 3") });
    }
    line.check(&[("SELECT a", Completed), ("SELECT a", Continued)]);
}

#[test]
fn errors_of_texts_in_flight_are_each_their_own() {
    let mut line = Line::new();
    line.parse(0, "", "SELECT nowhere FROM a").parse(1, "", "SELECT nowhere FROM b");
    for request in 0..2 {
        line.ready(&Answer { outcomes: 1, executed: 0, ..extended(request, 0, "", b'E', "") });
    }
    line.check(&[("SELECT a", Failed), ("SELECT b", Failed)]);
}

#[test]
fn what_waits_to_be_continued_ends_with_its_transaction() {
    for (command, outcome) in [("COMMIT", Completed), ("ROLLBACK", Failed)] {
        let mut line = Line::new();
        line.parse(0, "", "SELECT x FROM a");
        line.ready(&Answer { status: b'T', ..extended(0, 1, "", b's', "") });
        assert!(line.statements().is_empty());
        line.query(1, command).ready(&simple(1, 1, b'C', command));
        line.check(&[(command, Completed), ("SELECT a", outcome)]);
    }
}

#[test]
fn after_an_error_the_rest_is_skipped() {
    let mut line = Line::new();
    line.parse(0, "a", "SELECT 1 FROM a").parse(0, "b", "SELECT 1 FROM b");
    line.execute(0, 0, "a").execute(0, 1, "b").execute(0, 2, "a").end(0, 0, b'C', "SELECT 1");
    line.ready(&Answer {
        outcomes: 2,
        executes: 3,
        executed: 0,
        sqlstate: *b"22012",
        ..extended(0, 3, "", b'E', "")
    });
    let told = line.statements();
    assert_eq!(told[1].1.sqlstate, SqlState::new(*b"22012"));
    let told: Vec<(&str, Outcome)> = told.iter().map(|(name, one)| (name.as_str(), one.outcome)).collect();
    assert_eq!(told, [("SELECT a", Completed), ("SELECT b", Failed)]);
    // Nothing of it is left for the next request.
    line.query(1, "SELECT 1 FROM c").ready(&simple(1, 1, b'C', "SELECT 1"));
    line.check(&[("SELECT c", Completed)]);
}

#[test]
fn an_error_before_any_execute_is_the_texts() {
    let mut line = Line::new();
    line.parse(0, "", "SELECT nowhere FROM a");
    line.ready(&Answer { outcomes: 1, executed: 0, ..extended(0, 0, "", b'E', "") });
    line.check(&[("SELECT a", Failed)]);
}

#[test]
fn an_error_behind_all_executes_is_nobodys() {
    let mut line = Line::new();
    line.parse(0, "", "INSERT INTO a VALUES (1)").execute(0, 0, "").end(0, 0, b'C', "INSERT 0 1");
    line.ready(&Answer { outcomes: 2, executed: 0, ..extended(0, 1, "", b'E', "") });
    line.check(&[("INSERT a", Completed)]);
}

#[test]
fn after_a_loss_names_mean_nothing() {
    let mut line = Line::new();
    line.parse(0, "S_1", "SELECT $1 FROM a").ready(&extended(0, 1, "S_1", b'C', "SELECT 1"));
    line.unheard = 1;
    line.ready(&extended(1, 1, "S_1", b'C', "SELECT 1"));
    line.check(&[("SELECT a", Completed), ("?", Completed)]);
}

#[test]
fn a_lost_record_shifts_nothing() {
    let mut line = Line::new();
    line.query(0, "SELECT 1 FROM a; SELECT 1 FROM b; SELECT 1 FROM c");
    line.end(0, 1, b'C', "SELECT 1").ready(&simple(0, 3, b'C', "SELECT 1"));
    line.check(&[("SELECT b", Completed), ("SELECT c", Completed)]);
}

#[test]
fn sql_has_names_of_its_own() {
    let mut line = Line::new();
    line.query(0, "PREPARE p AS SELECT 1 FROM a").ready(&simple(0, 1, b'C', "PREPARE"));
    line.query(1, "EXECUTE p").ready(&simple(1, 1, b'C', "SELECT 1"));
    let told = line.statements();
    assert_eq!(told[1].0, "SELECT a");
    line.parse(2, "q", "SELECT 1 FROM b").query(2, "DISCARD ALL").ready(&simple(2, 1, b'C', "DISCARD ALL"));
    line.statements();
    line.ready(&extended(3, 1, "q", b'C', "SELECT 1"));
    line.check(&[("?", Completed)]);
}

#[test]
fn pieces_make_a_text() {
    let long = format!("SELECT {} FROM a, b", "x, ".repeat(1500) + "y");
    assert!(long.len() > PIECE_LEN);
    let mut line = Line::new();
    line.query(0, &long).ready(&simple(0, 1, b'C', "SELECT 1"));
    line.check(&[("SELECT a b", Completed)]);
    // The first piece was lost.
    let body = format!("{long}\0").into_bytes();
    line.piece(1, b'Q', body.len(), PIECE_LEN, &body[PIECE_LEN..]);
    line.ready(&simple(1, 1, b'C', "SELECT 1"));
    line.check(&[("?", Completed)]);
}

#[test]
fn names_without_end_are_forgotten_oldest_first() {
    let mut line = Line::new();
    for n in 0..10_000 {
        line.parse(n, &format!("S_{n}"), "SELECT 1 FROM a");
    }
    line.ready(&extended(10_000, 1, "S_9999", b'C', "SELECT 1"));
    line.ready(&extended(10_001, 1, "S_1", b'C', "SELECT 1"));
    line.check(&[("SELECT a", Completed), ("?", Completed)]);
    let forgotten = line.sessions.lost()[0].1;
    assert_eq!(forgotten, 10_000 - 4096);
}

#[test]
fn an_ended_connection_leaves_nothing() {
    let mut line = Line::new();
    line.parse(0, "a", "SELECT 1 FROM a").execute(0, 0, "a");
    line.sessions.close(SocketId(SOCKET));
    assert!(line.sessions.dialogues.is_empty());
    line.ready(&extended(0, 1, "a", b'C', "SELECT 1"));
    line.check(&[("?", Completed)]);
}
