//! Maps that the probes declare; their contents belong to the thread's machine.

use std::{
    borrow::Borrow,
    collections,
    marker::PhantomData,
    mem::MaybeUninit,
    ops::{Deref, DerefMut},
    ptr,
    sync::atomic::AtomicU8,
};

use crate::machine;

/// `-E2BIG` and `-ENOENT`
const FULL: i32 = -7;
const NO_ENTRY: i32 = -2;
/// What fresh ring memory holds, so that a byte that was not written is seen.
const STALE: u64 = 0xa5a5_a5a5_a5a5_a5a5;

macro_rules! declared {
    ($name:ident<$($type:ident),+>, $($bound:ident),+) => {
        /// Only an address: two declarations are two maps.
        pub struct $name<$($type,)+ $(const $bound: usize,)+ const FLAGS: usize = 0> {
            place: AtomicU8,
            of: PhantomData<fn() -> ($($type,)+)>,
        }

        impl<$($type,)+ $(const $bound: usize,)+ const FLAGS: usize> $name<$($type,)+ $($bound,)+ FLAGS> {
            #[allow(clippy::new_without_default, reason = "as in aya_ebpf")]
            pub const fn new() -> Self {
                Self { place: AtomicU8::new(0), of: PhantomData }
            }

            #[allow(dead_code, reason = "a ring needs none: there is one")]
            fn declared(&self) -> usize {
                ptr::from_ref(&self.place).addr()
            }
        }
    };
}

declared!(HashMap<K, V>, MAX);
declared!(Array<T>, MAX);
declared!(PerCpuArray<T>, MAX);
declared!(RingBuf<T>, MAX);

/// Nothing is evicted here: no test fills one.
pub use self::HashMap as LruHashMap;

/// Values that keep their address. What was removed is freed with the machine or by [`Table::bury`].
struct Table<V> {
    /// By their keys' bytes, as in the kernel.
    entries: collections::HashMap<Box<[u8]>, *mut V>,
    removed: Vec<*mut V>,
}

fn bytes<K>(key: &K) -> &[u8] {
    // SAFETY: keys are integers and structs of them without padding; the kernel hashes their bytes, too.
    unsafe { std::slice::from_raw_parts(ptr::from_ref(key).cast(), size_of::<K>()) }
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { entries: collections::HashMap::new(), removed: Vec::new() }
    }
}

impl<V> Table<V> {
    fn bury(&mut self) {
        for value in self.removed.drain(..) {
            // SAFETY: made by `Box::into_raw`, and no hook runs that could still hold it.
            drop(unsafe { Box::from_raw(value) });
        }
    }
}

impl<V> Drop for Table<V> {
    fn drop(&mut self) {
        self.bury();
        for value in self.entries.values() {
            // SAFETY: made by `Box::into_raw`, and owned here.
            drop(unsafe { Box::from_raw(*value) });
        }
    }
}

impl<K: Copy + 'static, V: Copy + 'static, const MAX: usize, const FLAGS: usize> HashMap<K, V, MAX, FLAGS> {
    pub fn get_ptr(&self, key: impl Borrow<K>) -> Option<*const V> {
        self.get_ptr_mut(key).map(<*mut V>::cast_const)
    }

    pub fn get_ptr_mut(&self, key: impl Borrow<K>) -> Option<*mut V> {
        machine::with(|m| m.map::<Table<V>>(self.declared()).entries.get(bytes(key.borrow())).copied())
    }

    pub fn insert(&self, key: impl Borrow<K>, value: impl Borrow<V>, flags: u64) -> Result<(), i32> {
        machine::with(|m| {
            let table = m.map::<Table<V>>(self.declared());
            if let Some(there) = table.entries.get(bytes(key.borrow())) {
                if flags & u64::from(crate::bindings::BPF_NOEXIST) != 0 {
                    return Err(-17);
                }
                // SAFETY: an entry's value lives as long as the entry.
                unsafe { **there = *value.borrow() };
                return Ok(());
            }
            if table.entries.len() >= MAX {
                return Err(FULL);
            }
            table.entries.insert(bytes(key.borrow()).into(), Box::into_raw(Box::new(*value.borrow())));
            Ok(())
        })
    }

    pub fn remove(&self, key: impl Borrow<K>) -> Result<(), i32> {
        machine::with(|m| {
            let table = m.map::<Table<V>>(self.declared());
            let value = table.entries.remove(bytes(key.borrow())).ok_or(NO_ENTRY)?;
            table.removed.push(value);
            Ok(())
        })
    }

    /// Entries, for whoever measures what a conversation leaves behind.
    pub fn len(&self) -> usize {
        machine::with(|m| m.map::<Table<V>>(self.declared()).entries.len())
    }

    /// See [`Self::len`].
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Frees what was removed: no hook runs now.
    pub fn bury(&self) {
        machine::with(|m| m.map::<Table<V>>(self.declared()).bury());
    }
}

/// The slot of an array; zeros at first.
fn slot<T: Copy + 'static>(declared: usize, index: u32, room: usize) -> Option<*mut T> {
    if index as usize >= room {
        return None;
    }
    machine::with(|m| {
        let table = m.map::<Table<T>>(declared);
        let value = table.entries.entry(index.to_ne_bytes().into()).or_insert_with(|| {
            let zeros = Box::<MaybeUninit<T>>::new(MaybeUninit::zeroed());
            Box::into_raw(zeros).cast()
        });
        Some(*value)
    })
}

impl<T: Copy + 'static, const MAX: usize, const FLAGS: usize> Array<T, MAX, FLAGS> {
    pub fn get_ptr(&self, index: u32) -> Option<*const T> {
        self.get_ptr_mut(index).map(<*mut T>::cast_const)
    }

    pub fn get_ptr_mut(&self, index: u32) -> Option<*mut T> {
        slot(self.declared(), index, MAX)
    }
}

impl<T: Copy + 'static, const MAX: usize, const FLAGS: usize> PerCpuArray<T, MAX, FLAGS> {
    pub fn get_ptr(&self, index: u32) -> Option<*const T> {
        self.get_ptr_mut(index).map(<*mut T>::cast_const)
    }

    pub fn get_ptr_mut(&self, index: u32) -> Option<*mut T> {
        slot(self.declared(), index, MAX)
    }
}

impl<T, const MAX: usize, const FLAGS: usize> RingBuf<T, MAX, FLAGS> {
    pub fn reserve_untyped<U: 'static>(&self, _flags: u64) -> Option<RingBufEntry<U>> {
        let memory = reserve(size_of::<U>())?;
        // SAFETY: as long as a `U`, aligned to eight bytes, and owned by the machine until it is submitted.
        Some(RingBufEntry(unsafe { &mut *memory.cast::<MaybeUninit<U>>() }))
    }

    pub fn reserve_bytes(&self, size: usize, _flags: u64) -> Option<RingBufBytes<'_>> {
        let memory = reserve(size)?;
        // SAFETY: as long as that, and owned by the machine until it is submitted.
        Some(RingBufBytes(unsafe { std::slice::from_raw_parts_mut(memory, size) }))
    }

    pub fn output_untyped<U: ?Sized>(&self, data: impl Borrow<U>, _flags: u64) -> Result<(), i32> {
        let data = data.borrow();
        // SAFETY: it is that long.
        if unsafe { output(ptr::from_ref(data).cast(), size_of_val(data)) } { Ok(()) } else { Err(-11) }
    }
}

/// Copies a record into the ring; false when there is no room.
pub(crate) unsafe fn output(data: *const u8, size: usize) -> bool {
    let Some(memory) = reserve(size) else { return false };
    // SAFETY: both are that long.
    unsafe { memory.copy_from_nonoverlapping(data, size) };
    submit(memory, size);
    true
}

fn reserve(size: usize) -> Option<*mut u8> {
    machine::with(|m| {
        let taken = 8 + size.next_multiple_of(8);
        if m.ring_used + taken > m.ring_room {
            return None;
        }
        m.ring_used += taken;
        let mut memory = vec![STALE; size.div_ceil(8)].into_boxed_slice();
        let address = memory.as_mut_ptr().cast::<u8>();
        m.reserved.push(memory);
        Some(address)
    })
}

fn take(memory: *mut u8) -> Box<[u64]> {
    machine::with(|m| {
        let at = m.reserved.iter().position(|reserved| reserved.as_ptr().cast::<u8>() == memory.cast_const());
        m.reserved.remove(at.expect("BUG: submitted what was not reserved"))
    })
}

fn submit(memory: *mut u8, size: usize) {
    let taken = take(memory);
    let bytes: Vec<u8> = taken.iter().flat_map(|word| word.to_ne_bytes()).take(size).collect();
    machine::with(|m| m.records.push(bytes));
}

fn discard(memory: *mut u8, size: usize) {
    drop(take(memory));
    machine::with(|m| m.ring_used -= 8 + size.next_multiple_of(8));
}

/// A record that is being written.
#[must_use = "to be submitted or discarded"]
pub struct RingBufEntry<T: 'static>(&'static mut MaybeUninit<T>);

impl<T> RingBufEntry<T> {
    pub fn submit(self, _flags: u64) {
        submit(self.0.as_mut_ptr().cast(), size_of::<T>());
    }

    pub fn discard(self, _flags: u64) {
        discard(self.0.as_mut_ptr().cast(), size_of::<T>());
    }
}

impl<T> Deref for RingBufEntry<T> {
    type Target = MaybeUninit<T>;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl<T> DerefMut for RingBufEntry<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.0
    }
}

/// Bytes that are being written.
#[must_use = "to be submitted or discarded"]
pub struct RingBufBytes<'a>(&'a mut [u8]);

impl RingBufBytes<'_> {
    pub fn submit(self, _flags: u64) {
        submit(self.0.as_mut_ptr(), self.0.len());
    }

    pub fn discard(self, _flags: u64) {
        discard(self.0.as_mut_ptr(), self.0.len());
    }
}

impl Deref for RingBufBytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0
    }
}

impl DerefMut for RingBufBytes<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0
    }
}
