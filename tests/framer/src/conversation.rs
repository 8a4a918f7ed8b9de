//! A valid conversation: what the client says, what the server answers, and what must come before what.
//!
//! In come choices, out come two lists of messages. Nothing here knows of system calls.

use crate::{
    choices::Choices,
    message::{complete, fields, message, packet, ready},
};

/// Most steps of one conversation, so that each input is small work.
const STEPS: usize = 40;

/// Names of statements; the server looks at the first 63 bytes.
const NAMES: [&str; 4] = [
    "",
    "s1",
    "a_name_of_sixty_three_bytes_which_is_the_longest_that_is_known_",
    "a_name_of_more_than_sixty_three_bytes_whose_end_the_server_cuts_without_a_word",
];
const PORTALS: [&str; 5] = ["", "", "", "", "c1"];

/// One message, or the byte that answers an SSLRequest.
#[derive(Clone, Debug)]
pub struct Line {
    pub bytes: Vec<u8>,
    /// It is said only when so many messages of the other side were.
    pub after: usize,
}

/// Both sides.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    pub client: Vec<Line>,
    pub server: Vec<Line>,
    /// The client's next message waits for all that the server said so far.
    waits: usize,
    /// COPY data only behind a Query.
    copies_by_query: bool,
}

/// Draws one.
pub fn conversation(choices: &Choices<'_>) -> Conversation {
    drawn(Conversation::default(), choices)
}

/// Draws one whose COPY data comes behind a Query alone.
pub fn without_copy_by_execute(choices: &Choices<'_>) -> Conversation {
    drawn(Conversation { copies_by_query: true, ..Conversation::default() }, choices)
}

fn drawn(mut c: Conversation, choices: &Choices<'_>) -> Conversation {
    c.open(choices);
    let mut steps = 0;
    while !choices.is_empty() && steps < STEPS {
        steps += 1;
        c.step(choices);
        if choices.once_in(3) {
            c.wait();
        }
    }
    c
}

impl Conversation {
    fn ask(&mut self, bytes: Vec<u8>) {
        self.client.push(Line { bytes, after: self.waits });
    }

    fn answer(&mut self, choices: &Choices<'_>, bytes: Vec<u8>) {
        if choices.once_in(16) {
            let text = match choices.below(3) {
                0 => fields(b'N', "01000"),
                1 => message(b'A', b"\0\0\x10\0channel\0payload\0"),
                _ => message(b'S', b"TimeZone\0UTC\0"),
            };
            self.server.push(Line { bytes: text, after: self.client.len() });
        }
        self.server.push(Line { bytes, after: self.client.len() });
    }

    /// The client says nothing more before it has heard all of this.
    fn wait(&mut self) {
        self.waits = self.server.len();
    }

    fn open(&mut self, choices: &Choices<'_>) {
        for code in [80_877_104, 80_877_103] {
            if choices.once_in(3) {
                self.ask(packet(code, b""));
                self.server.push(Line { bytes: b"N".to_vec(), after: self.client.len() });
                self.wait();
            }
        }
        let version = if choices.once_in(3) { 3 << 16 | 2 } else { 3 << 16 };
        let options = "x".repeat(choices.size(3000));
        let parameters = format!("user\0app\0database\0shop\0options\0{options}\0\0");
        self.ask(packet(version, parameters.as_bytes()));
        if choices.once_in(2) {
            let steps: [(&[u8], usize); 2] =
                [(b"\0\0\0\x0aSCRAM-SHA-256\0\0", 60), (b"\0\0\0\x0br=abc,s=abc,i=4096", 110)];
            for (request, length) in steps {
                self.answer(choices, message(b'R', request));
                self.wait();
                self.ask(message(b'p', &vec![b'a'; length]));
            }
            self.answer(choices, message(b'R', b"\0\0\0\x0cv=abc"));
        }
        self.answer(choices, message(b'R', b"\0\0\0\0"));
        for _ in 0..choices.below(4) {
            self.answer(choices, message(b'S', b"server_version\x0017.2\0"));
        }
        self.answer(choices, message(b'K', b"\0\0\0\x01\0\0\0\x02"));
        self.answer(choices, ready(b'I'));
        self.wait();
    }

    fn step(&mut self, choices: &Choices<'_>) {
        match choices.below(8) {
            0..=2 => self.query(choices),
            3..=5 => self.flight(choices),
            6 if !self.copies_by_query && choices.once_in(2) => self.copy_by_execute(choices),
            6 => self.copy(choices),
            _ => self.function(choices),
        }
    }

    fn status(&mut self, choices: &Choices<'_>) {
        self.answer(choices, ready(*b"ITE".get(choices.below(3)).unwrap_or(&b'I')));
    }

    fn rows(&mut self, choices: &Choices<'_>) -> usize {
        let rows = choices.size(40);
        for row in 0..rows {
            // What looks like messages inside a row.
            let mut body = b"\0\x01\0\0\0\x08Z\0\0\0\x05IC\0".to_vec();
            body.resize(choices.size(1500).max(usize::from(row == 0)), b'Z');
            self.answer(choices, message(b'D', &body));
        }
        rows
    }

    /// The end of one statement; false after an error.
    fn outcome(&mut self, choices: &Choices<'_>) -> bool {
        match choices.below(8) {
            0 => self.answer(choices, message(b'I', b"")),
            1 => {
                self.answer(choices, fields(b'E', ["42P01", "22012", "57014"][choices.below(3)]));
                return false;
            }
            2 => self.answer(choices, complete("BEGIN")),
            3 => self.answer(choices, complete("INSERT 0 12")),
            4 => self.answer(choices, complete(&"CREATE TABLE ".repeat(choices.size(20) + 1))),
            _ => {
                let rows = self.rows(choices);
                self.answer(choices, complete(&format!("SELECT {rows}")));
            }
        }
        true
    }

    fn query(&mut self, choices: &Choices<'_>) {
        let text = format!("select '{}'\0", "q".repeat(choices.size(12_000)));
        self.ask(message(b'Q', text.as_bytes()));
        for _ in 0..=choices.size(5) {
            if choices.once_in(2) {
                self.answer(
                    choices,
                    message(b'T', b"\0\x01id\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0"),
                );
            }
            if !self.outcome(choices) {
                break;
            }
        }
        self.status(choices);
    }

    /// Messages of the extended protocol up to a Sync.
    fn flight(&mut self, choices: &Choices<'_>) {
        let mut failed = false;
        for _ in 0..choices.size(12) {
            let name = NAMES[choices.below(NAMES.len())];
            let portal = PORTALS[choices.below(PORTALS.len())];
            match choices.below(8) {
                0 | 1 => {
                    let text = format!("{name}\0select {}\0\0\0", "p".repeat(choices.size(10_000)));
                    self.ask(message(b'P', text.as_bytes()));
                    self.unless(failed, choices, b'1');
                }
                2 => {
                    let text = format!("{portal}\0{name}\0\0\0\0\0\0\0{}", "b".repeat(choices.size(2000)));
                    self.ask(message(b'B', text.as_bytes()));
                    self.unless(failed, choices, b'2');
                }
                3 => {
                    self.ask(message(b'D', format!("P{portal}\0").as_bytes()));
                    self.unless(failed, choices, b'n');
                }
                4 => {
                    self.ask(message(b'C', format!("S{name}\0").as_bytes()));
                    self.unless(failed, choices, b'3');
                }
                5 => self.ask(message(b'H', b"")),
                _ => {
                    self.ask(message(b'E', format!("{portal}\0\0\0\0\0").as_bytes()));
                    failed = failed || !self.executed(choices);
                }
            }
            if choices.once_in(12) {
                self.wait();
            }
        }
        self.ask(message(b'S', b""));
        self.status(choices);
    }

    fn unless(&mut self, failed: bool, choices: &Choices<'_>, letter: u8) {
        if !failed {
            self.answer(choices, message(letter, b""));
        }
    }

    fn executed(&mut self, choices: &Choices<'_>) -> bool {
        if choices.once_in(5) {
            self.rows(choices);
            self.answer(choices, message(b's', b""));
            return true;
        }
        self.outcome(choices)
    }

    fn copy(&mut self, choices: &Choices<'_>) {
        self.ask(message(b'Q', b"copy t from stdin\0"));
        let inwards = choices.once_in(2);
        self.answer(choices, message(if inwards { b'G' } else { b'H' }, b"\0\0\0"));
        if inwards {
            self.wait();
        }
        for _ in 0..choices.size(20) {
            let data = message(b'd', &vec![b'S'; choices.size(2000)]);
            if inwards { self.ask(data) } else { self.answer(choices, data) }
        }
        if inwards && choices.once_in(4) {
            self.ask(message(b'f', b"no more\0"));
            self.answer(choices, fields(b'E', "57014"));
        } else {
            if inwards {
                self.ask(message(b'c', b""));
            } else {
                self.answer(choices, message(b'c', b""));
            }
            self.answer(choices, complete("COPY 5"));
        }
        self.status(choices);
    }

    /// COPY in by the extended protocol: the server ignores the Sync that libpq sends right behind.
    fn copy_by_execute(&mut self, choices: &Choices<'_>) {
        self.ask(message(b'P', b"\0copy t from stdin\0\0\0"));
        self.answer(choices, message(b'1', b""));
        self.ask(message(b'B', b"\0\0\0\0\0\0\0\0"));
        self.answer(choices, message(b'2', b""));
        self.ask(message(b'E', b"\0\0\0\0\0"));
        self.answer(choices, message(b'G', b"\0\0\0"));
        for _ in 0..choices.below(2) {
            self.ask(message(b'S', b""));
        }
        self.wait();
        for _ in 0..choices.size(20) {
            self.ask(message(b'd', &vec![b'S'; choices.size(2000)]));
        }
        if choices.once_in(4) {
            self.ask(message(b'f', b"no more\0"));
            self.answer(choices, fields(b'E', "57014"));
        } else {
            self.ask(message(b'c', b""));
            self.answer(choices, complete("COPY 5"));
        }
        self.ask(message(b'S', b""));
        self.status(choices);
        self.wait();
    }

    fn function(&mut self, choices: &Choices<'_>) {
        self.ask(message(b'F', &vec![0; choices.size(300) + 14]));
        self.answer(choices, message(b'V', b"\0\0\0\x04abcd"));
        self.status(choices);
    }
}
