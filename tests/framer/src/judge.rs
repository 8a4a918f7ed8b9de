//! The judge: reads both streams from beginning to end, all at once, and says what was asked and answered.
//!
//! It is as simple as a reader of the protocol can be: it never sees a call, a piece or a time.

use std::collections::HashMap;

use poolwatch_ebpf::wire::{RequestKind, TAG_LEN, most_told, name_hash};

/// All that a conversation comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub requests: Vec<Asked>,
    pub texts: Vec<Text>,
    pub executes: Vec<Executed>,
}

/// One request and its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub kind: u8,
    pub executes: u32,
    pub completions: u32,
    pub rows: u32,
    pub errors: u32,
    pub status: u8,
    pub received: u64,
    pub sqlstate: [u8; 5],
    pub outcomes: Vec<Outcome>,
}

/// How a statement ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub letter: u8,
    pub rows: u32,
    pub tag: [u8; TAG_LEN],
}

/// What is told of a Query's, Parse's or Close's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub letter: u8,
    /// Number of its request, and Executes before it there.
    pub place: (u32, u32),
    pub length: usize,
    pub body: Vec<u8>,
}

/// An Execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Number of its request, and Executes before it there.
    pub place: (u32, u32),
    /// The statement's name, as its number; `None` = its portal was never bound.
    pub statement: Option<u64>,
    /// The portal was bound since its last Execute.
    pub bound: bool,
}

/// A message with its letter, and where it lies.
struct Seen<'a> {
    letter: u8,
    body: &'a [u8],
    at: usize,
}

/// The messages of a stream from an offset on.
fn messages(stream: &[u8], mut at: usize) -> impl Iterator<Item = Seen<'_>> {
    std::iter::from_fn(move || {
        let header = stream.get(at..at + 5)?;
        let length = u32::from_be_bytes(header[1..5].try_into().ok()?) as usize;
        let seen = Seen { letter: header[0], body: stream.get(at + 5..at + 1 + length)?, at };
        at += 1 + length;
        Some(seen)
    })
}

/// Says what both streams come to, and at which offset of the client's each request begins. `Err` when
/// the conversation is none.
pub fn judge(client: &[u8], server: &[u8]) -> Result<(Verdict, Vec<usize>), &'static str> {
    let (mut at, mut refusals) = (0, 0);
    let startup = loop {
        let header = client.get(at..at + 8).ok_or("no startup")?;
        let code = u32::from_be_bytes(header[4..8].try_into().map_err(|_| "no code")?);
        let length = u32::from_be_bytes(header[0..4].try_into().map_err(|_| "no length")?) as usize;
        at += length;
        if code >> 16 == 3 {
            break at - length;
        }
        refusals += 1;
    };
    let begun = Asked { kind: RequestKind::Startup as u8, ..Asked::default() };
    let mut listening = Listening {
        verdict: Verdict { requests: vec![begun], ..Verdict::default() },
        begins: vec![startup],
        ..Listening::default()
    };
    messages(client, at).for_each(|message| listening.hear(&message));
    let Listening { mut verdict, mut begins, .. } = listening;
    answered(&mut verdict.requests, server, refusals)?;
    begins.truncate(verdict.requests.len());
    Ok((verdict, begins))
}

#[derive(Default)]
struct Listening {
    verdict: Verdict,
    /// Offsets of the requests' first bytes.
    begins: Vec<usize>,
    /// Of the one that is being asked.
    begin: Option<usize>,
    executes: u32,
    /// Portals, with their statements and whether they were bound since their last Execute.
    portals: HashMap<Vec<u8>, (u64, bool)>,
    /// Requests before the last Execute; what follows a Query is answered to that.
    before_execute: Option<usize>,
    /// The Sync behind COPY data stands for the ones that the server ignored.
    swallow: bool,
}

impl Listening {
    fn hear(&mut self, Seen { letter, body, at }: &Seen<'_>) {
        if !b"pdcf".contains(letter) {
            self.begin = self.begin.or(Some(*at));
        }
        let place = (self.begins.len() as u32, self.executes);
        if b"QPC".contains(letter) {
            let told = &body[..body.len().min(most_told(*letter) as usize)];
            let text = Text { letter: *letter, place, length: body.len(), body: told.to_vec() };
            self.verdict.texts.push(text);
        }
        match letter {
            b'B' => {
                let mut names = body.split(|byte| *byte == 0);
                let (portal, statement) = (names.next().unwrap_or(b""), names.next().unwrap_or(b""));
                self.portals.insert(portal.to_vec(), (name_hash(statement), true));
            }
            b'E' => {
                self.before_execute = Some(self.begins.len());
                self.executes += 1;
                let name = body.split(|byte| *byte == 0).next().unwrap_or(b"");
                let portal = self.portals.get_mut(name);
                let (statement, bound) =
                    portal.map_or((None, false), |p| (Some(p.0), std::mem::take(&mut p.1)));
                self.verdict.executes.push(Executed { place, statement, bound });
            }
            b'Q' => self.ends(RequestKind::Query, *at),
            b'F' => self.ends(RequestKind::FunctionCall, *at),
            b'S' if std::mem::take(&mut self.swallow) => self.begin = None,
            b'S' => self.ends(RequestKind::Sync, *at),
            b'c' | b'f' => self.copied(),
            _ => {}
        }
    }

    fn ends(&mut self, kind: RequestKind, at: usize) {
        self.begins.push(self.begin.take().unwrap_or(at));
        let executes = std::mem::take(&mut self.executes);
        self.verdict.requests.push(Asked { kind: kind as u8, executes, ..Asked::default() });
        if kind != RequestKind::Sync {
            self.before_execute = None;
        }
    }

    /// The end of COPY data: the server ignored what Syncs were sent after its Execute.
    fn copied(&mut self) {
        if let Some(before) = self.before_execute.take()
            && self.begins.len() > before
        {
            self.begins.truncate(before + 1);
            self.verdict.requests.truncate(before + 1);
            self.swallow = true;
        }
    }
}

fn answered(requests: &mut Vec<Asked>, server: &[u8], from: usize) -> Result<(), &'static str> {
    let mut waiting = requests.iter_mut();
    let mut now = waiting.next().ok_or("nothing was asked")?;
    let (mut done, mut rows) = (0, 0);
    for Seen { letter, body, .. } in messages(server, from) {
        now.received += 5 + body.len() as u64;
        match letter {
            b'D' => {
                now.rows += 1;
                rows += 1;
            }
            b'I' | b'C' => now.completions += 1,
            b'E' => {
                now.errors += 1;
                if now.errors == 1 {
                    now.sqlstate = field(body, b'C').unwrap_or_default();
                }
            }
            b'Z' => {
                now.status = *body.first().ok_or("no status")?;
                done += 1;
                match waiting.next() {
                    Some(next) => now = next,
                    None => break,
                }
                rows = 0;
            }
            _ => {}
        }
        if b"ICsE".contains(&letter) {
            let mut tag = [0; TAG_LEN];
            if letter == b'C' {
                tag.iter_mut().zip(body).for_each(|(to, from)| *to = *from);
            }
            now.outcomes.push(Outcome { letter, rows: std::mem::take(&mut rows), tag });
        }
    }
    requests.truncate(done);
    Ok(())
}

fn field(body: &[u8], letter: u8) -> Option<[u8; 5]> {
    let field = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&letter))?;
    field.get(1..6)?.try_into().ok()
}
