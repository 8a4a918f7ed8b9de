//! The judge: reads both streams from beginning to end, all at once, and says what was asked and answered.
//!
//! It is as simple as a reader of the protocol can be: it never sees a call, a piece or a time.

use poolwatch_ebpf::wire::{RequestKind, TAG_LEN};

/// One request and its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub kind: u8,
    pub executes: u32,
    pub completions: u32,
    pub rows: u32,
    pub errors: u32,
    pub status: u8,
    pub received: u64,
    pub sqlstate: [u8; 5],
    pub tag: [u8; TAG_LEN],
    /// Offset of the request's first byte in what the client said.
    pub begins: usize,
    /// Offset behind the header of the answer's first message in what the server said.
    pub answered: usize,
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

/// Says what both streams come to. `Err` when the conversation is none.
pub fn judge(client: &[u8], server: &[u8]) -> Result<Vec<Verdict>, &'static str> {
    let (mut at, mut refusals) = (0, 0);
    let startup = loop {
        let length = client.get(at..at + 8).ok_or("no startup")?;
        let code = u32::from_be_bytes(length[4..8].try_into().map_err(|_| "no code")?);
        let length = u32::from_be_bytes(length[0..4].try_into().map_err(|_| "no length")?) as usize;
        at += length;
        if code >> 16 == 3 {
            break at - length;
        }
        refusals += 1;
    };
    let begun = Verdict { kind: RequestKind::Startup as u8, begins: startup, ..Verdict::default() };
    let mut verdicts = vec![begun];
    verdicts.extend(asked(client, at));
    answered(&mut verdicts, server, refusals)?;
    Ok(verdicts)
}

fn asked(client: &[u8], from: usize) -> Vec<Verdict> {
    let mut requests = Vec::new();
    let (mut begins, mut executes) = (None, 0);
    for Seen { letter, at, .. } in messages(client, from) {
        if !b"pdcf".contains(&letter) {
            begins = begins.or(Some(at));
        }
        let kind = match letter {
            b'E' => {
                executes += 1;
                continue;
            }
            b'Q' => RequestKind::Query,
            b'S' => RequestKind::Sync,
            b'F' => RequestKind::FunctionCall,
            _ => continue,
        };
        let begins = begins.take().unwrap_or(at);
        requests.push(Verdict { kind: kind as u8, executes, begins, ..Verdict::default() });
        executes = 0;
    }
    requests
}

fn answered(requests: &mut Vec<Verdict>, server: &[u8], from: usize) -> Result<(), &'static str> {
    let mut waiting = requests.iter_mut();
    let mut now = waiting.next().ok_or("nothing was asked")?;
    let (mut done, mut open) = (0, false);
    for Seen { letter, body, at } in messages(server, from) {
        if !std::mem::replace(&mut open, true) {
            now.answered = at + 5;
        }
        now.received += 5 + body.len() as u64;
        match letter {
            b'D' => now.rows += 1,
            b'I' => now.completions += 1,
            b'C' => {
                now.completions += 1;
                if now.completions == 1 {
                    first_word(&mut now.tag, body);
                }
            }
            b'E' => {
                now.errors += 1;
                if now.errors == 1 {
                    now.sqlstate = field(body, b'C').unwrap_or_default();
                }
            }
            b'Z' => {
                now.status = *body.first().ok_or("no status")?;
                done += 1;
                open = false;
                match waiting.next() {
                    Some(next) => now = next,
                    None => break,
                }
            }
            _ => {}
        }
    }
    requests.truncate(done);
    Ok(())
}

/// As many bytes of the tag as are kept.
fn first_word(to: &mut [u8; TAG_LEN], tag: &[u8]) {
    for (to, from) in to.iter_mut().zip(tag) {
        *to = *from;
    }
}

fn field(body: &[u8], letter: u8) -> Option<[u8; 5]> {
    let field = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&letter))?;
    field.get(1..6)?.try_into().ok()
}
