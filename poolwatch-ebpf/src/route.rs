//! The head of what was read from an accepted socket: what is spoken, and which route is asked for.
//!
//! In come a call's first bytes, out go a protocol and a number that stands for the method and the first two
//! parts of the path. Numbers in a path and long parts of it count as one: they name things and not routes.
//! Nothing else of a request is looked at.

use poolwatch_ebpf::wire::{Half, protocol};

use crate::{
    kernel::{self, Caller},
    maps::HEADS,
    payload, ring,
    walk::Walk,
};

/// Bytes that are looked at, a power of two.
pub const ROOM: usize = 128;
/// Parts of a path that count.
const PARTS: u32 = 2;
/// A longer part names a thing.
const LONGEST_PART: u32 = 24;
/// A shorter method is none, and neither is a longer one.
const METHOD: (u32, u32) = (3, 10);
/// FNV-1a, see <https://www.rfc-editor.org/rfc/rfc9923.html>.
const SEED: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;

/// The cursors of the reader; in a per-CPU map value like those of a walk.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Head {
    /// The first bytes.
    pub bytes: [u8; ROOM],
    /// How many are there; 0 = they cannot be seen.
    pub length: u32,
    at: u32,
    hash: u32,
    /// The hash before the part of the path that is being read.
    before: u32,
    /// Bytes of that part.
    part: u32,
    parts: u32,
    /// 1 = that part has nothing but digits so far.
    digits: u32,
    /// 1 = a method and a blank were seen.
    method: u32,
    /// 1 = and a path.
    path: u32,
}

/// What the loop's callback gets.
#[repr(C)]
struct State {
    head: *mut Head,
}

impl Head {
    /// Looks at a call's first bytes. `first` was read alone by the call before; 0 = there was none.
    #[inline(always)]
    pub unsafe fn look<'a>(sk: u64, length: u64, first: u8, caller: Caller) -> Option<&'a mut Self> {
        let head = unsafe { &mut *HEADS.get_ptr_mut(0)? };
        head.length = 0;
        head.at = 0;
        head.hash = SEED;
        head.before = SEED;
        head.part = 0;
        head.parts = 0;
        head.digits = 1;
        head.method = 0;
        head.path = 0;
        // One after the other: in a pair the compiler makes registers of what was never read, which the verifier refuses.
        let Some(registers) = caller.registers() else { return Some(head) };
        let Some(walk) = Walk::begin(sk, length) else { return Some(head) };
        let form = payload::form(&registers);
        let mut half = Half::default();
        if ring::moves(sk, &registers, form)
            || !payload::point(walk, &mut half, &registers, form)
            || !payload::first_byte(walk)
        {
            return Some(head);
        }
        let there = walk.end.wrapping_sub(walk.at);
        let most = ROOM as u64 - 1;
        let take = if there > most { most } else { there } & most;
        head.bytes[0] = first;
        let to = if first == 0 { head.bytes.as_mut_ptr() } else { unsafe { head.bytes.as_mut_ptr().add(1) } };
        if unsafe { kernel::copy_user(to, take as u32, walk.at) } {
            head.length = take as u32 + u32::from(first != 0);
        }
        Some(head)
    }

    /// The route, where the bytes are those of a request of HTTP.
    #[inline(always)]
    pub unsafe fn route(&mut self) -> Option<u32> {
        let mut state = State { head: self };
        unsafe { kernel::repeat(ROOM as u32, step, &mut state) };
        if self.path == 0 {
            return None;
        }
        end_part(self);
        Some(self.hash)
    }

    /// What is spoken, by the first bytes that ever came; to be asked after [`Self::route`].
    #[inline(always)]
    pub fn protocol(&self) -> u8 {
        let b = &self.bytes;
        if self.length == 0 {
            return protocol::OTHER;
        }
        if self.is_preface() {
            return protocol::HTTP2;
        }
        if self.method != 0 || (self.length == 1 && is_upper(b[0])) {
            return protocol::HTTP;
        }
        if self.is_startup() {
            return protocol::POSTGRES;
        }
        if self.is_record() {
            return protocol::TLS;
        }
        if self.is_frame() { protocol::HTTP2 } else { protocol::OTHER }
    }

    /// `PRI * HTTP/2.0`, see RFC 9113, section 3.4.
    #[inline(always)]
    pub fn is_preface(&self) -> bool {
        let b = &self.bytes;
        self.length > 4 && b[0] == b'P' && b[1] == b'R' && b[2] == b'I' && b[3] == b' ' && b[4] == b'*'
    }

    /// A frame of HTTP/2 that may come first where the preface was not seen: HEADERS with their end, or WINDOW_UPDATE or PING of a
    /// whole connection. See RFC 9113, section 6.
    #[inline(always)]
    fn is_frame(&self) -> bool {
        let b = &self.bytes;
        if self.length < 9 || b[0] != 0 {
            return false;
        }
        let (length, stream) =
            ((b[1] as u32) << 8 | b[2] as u32, u32::from_be_bytes([b[5], b[6], b[7], b[8]]));
        match b[3] {
            1 => length > 0 && b[4] & 4 != 0 && b[4] & !0x2d == 0 && stream & 1 == 1 && stream >> 31 == 0,
            6 => length == 8 && b[4] < 2 && stream == 0,
            8 => length == 4 && b[4] == 0 && stream == 0,
            _ => false,
        }
    }

    /// A packet that a connection to PostgreSQL begins with: its length, and a version or code.
    #[inline(always)]
    fn is_startup(&self) -> bool {
        let b = &self.bytes;
        let short = self.length >= 8 && b[0] == 0 && b[1] == 0 && b[2] <= 0x27;
        let version = b[4] == 0 && b[5] == 3 && b[6] == 0;
        let code = b[4] == 0x04 && b[5] == 0xd2 && b[6] == 0x16 && b[7] >= 0x2e && b[7] <= 0x30;
        short && (version || code)
    }

    /// A message of PostgreSQL that no server sends, whole in its length.
    #[inline(always)]
    pub fn is_query(&self) -> bool {
        let b = &self.bytes;
        self.length >= 6 && (b[0] == b'Q' || b[0] == b'P' || b[0] == b'B') && b[1] == 0 && (b[3] | b[4]) != 0
    }

    /// A record of TLS, see RFC 8446, section 5.1.
    #[inline(always)]
    pub fn is_record(&self) -> bool {
        let b = &self.bytes;
        b[0] >= 0x14 && b[0] <= 0x17 && (self.length < 2 || b[1] == 3)
    }
}

#[inline(always)]
pub fn is_upper(byte: u8) -> bool {
    byte >= b'A' && byte <= b'Z'
}

/// One byte of the method or path. The answer is the loop's: 1 ends it.
unsafe extern "C" fn step(_step: u32, state: *mut State) -> i64 {
    let head = unsafe { &mut *(*state).head };
    if head.at >= head.length {
        return 1;
    }
    let byte = head.bytes[(head.at & (ROOM as u32 - 1)) as usize];
    head.at += 1;
    if head.path != 0 {
        return path(head, byte);
    }
    if head.method != 0 {
        head.path = (byte == b'/') as u32;
        if byte == b'/' {
            begin_part(head);
        }
        return (byte != b'/') as i64;
    }
    if byte == b' ' {
        head.method = (head.at > METHOD.0) as u32;
    } else if !is_upper(byte) || head.at > METHOD.1 {
        return 1;
    }
    add(head, byte);
    (byte == b' ' && head.method == 0) as i64
}

#[inline(always)]
fn path(head: &mut Head, byte: u8) -> i64 {
    match byte {
        b'/' => {
            end_part(head);
            head.parts += 1;
            if head.parts >= PARTS {
                return 1;
            }
            begin_part(head);
        }
        0..=b' ' | b'?' | b'#' => return 1,
        _ => {
            head.part += 1;
            if byte < b'0' || byte > b'9' {
                head.digits = 0;
            }
            add(head, byte);
        }
    }
    0
}

#[inline(always)]
fn begin_part(head: &mut Head) {
    add(head, b'/');
    head.before = head.hash;
    head.part = 0;
    head.digits = 1;
}

#[inline(always)]
fn end_part(head: &mut Head) {
    if head.part > LONGEST_PART || (head.part > 0 && head.digits != 0) {
        head.hash = head.before;
        add(head, b':');
        add(head, b'i');
        add(head, b'd');
    }
    head.part = 0;
}

#[inline(always)]
fn add(head: &mut Head, byte: u8) {
    head.hash = (head.hash ^ byte as u32).wrapping_mul(PRIME);
}
