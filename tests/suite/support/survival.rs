//! What a power cut leaves of a file's bytes; the model's terms stand in [`super::crash_disk`].

use std::collections::BTreeSet;

/// What is overwritten whole or not at all.
pub(super) const PAGE: usize = 4096;
/// What is written whole or not at all where a file grows.
const SECTOR: usize = 512;

/// What a crash leaves of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survival {
    /// All of it: the process ended, and the machine goes on.
    Process,
    /// Nothing.
    Nothing,
    /// All of it: the power was cut just after everything had been written.
    Everything,
    /// Names and lengths, and zeros where bytes were gained.
    Lengths,
    /// Names, and the first half of what each file gained.
    FirstHalf,
    /// Names, what was overwritten, and what each file gained, but zeros in its first half.
    LastHalf,
    /// `head` alone: the last thing written got there first.
    HeadAlone,
    /// All but `head`.
    AllButHead,
    /// Each page, sector and name by a throw of a coin that this number loads.
    Coin(u64),
}

impl Survival {
    pub(crate) const EACH: [Self; 11] = [
        Self::Nothing,
        Self::Process,
        Self::Coin(1),
        Self::FirstHalf,
        Self::HeadAlone,
        Self::LastHalf,
        Self::Coin(2),
        Self::AllButHead,
        Self::Lengths,
        Self::Everything,
        Self::Coin(3),
    ];
}

/// A file: what is seen of it, and what a power cut leaves for certain.
#[derive(Debug, Default)]
pub(super) struct Inode {
    pub(super) seen: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// Pages of `seen` that the next sync writes.
    pub(super) dirty: BTreeSet<usize>,
}

fn write_page(to: &mut [u8], from: &[u8], page: usize) {
    let end = ((page + 1) * PAGE).min(from.len());
    if page * PAGE < end {
        to[page * PAGE..end].copy_from_slice(&from[page * PAGE..end]);
    }
}

impl Inode {
    /// What is dirty becomes durable, and the length.
    pub(super) fn sync(&mut self) {
        self.durable.resize(self.seen.len(), 0);
        for page in std::mem::take(&mut self.dirty) {
            write_page(&mut self.durable, &self.seen, page);
        }
    }

    /// What of it is there after a power cut.
    pub(super) fn surviving(&self, survival: Survival, coin: &mut Coin) -> Vec<u8> {
        let old = self.durable.len();
        let gained = self.seen.len().saturating_sub(old);
        // Only dirty pages can have been written; what a failed sync dropped is on no disk.
        let mut written = self.durable.clone();
        written.resize(self.seen.len(), 0);
        for page in &self.dirty {
            write_page(&mut written, &self.seen, *page);
        }
        let half = (old + gained / 2).min(written.len());
        let overwritten = old.min(written.len());
        match survival {
            Survival::Lengths => {
                let mut bytes = self.durable.clone();
                bytes.resize(self.seen.len(), 0);
                bytes
            }
            Survival::FirstHalf if gained > 0 => [&self.durable[..], &written[old..half]].concat(),
            Survival::Nothing | Survival::FirstHalf => self.durable.clone(),
            Survival::LastHalf => {
                written[overwritten..half].fill(0);
                written
            }
            Survival::Coin(_) => self.tossed(&written, coin),
            _ => written,
        }
    }

    fn tossed(&self, written: &[u8], coin: &mut Coin) -> Vec<u8> {
        if self.dirty.is_empty() && self.seen.len() == self.durable.len() {
            return self.durable.clone();
        }
        let old = self.durable.len();
        let length = match written.len().checked_sub(old) {
            Some(gained) => old + coin.below(gained + 1),
            None => {
                if coin.toss() {
                    old
                } else {
                    written.len()
                }
            }
        };
        let mut bytes = self.durable.clone();
        bytes.resize(length, 0);
        for page in &self.dirty {
            let (start, end) = (page * PAGE, ((page + 1) * PAGE).min(length).min(written.len()));
            if end <= start {
                continue;
            }
            if coin.toss() {
                let until = end.min(old).max(start);
                bytes[start..until].copy_from_slice(&written[start..until]);
            }
            for sector in (start.max(old.min(end))..end).step_by(SECTOR) {
                let until = (sector + SECTOR).min(end);
                if coin.toss() {
                    bytes[sector..until].copy_from_slice(&written[sector..until]);
                }
            }
        }
        bytes
    }
}

/// Throws that a number decides (xorshift).
#[derive(Debug)]
pub(super) struct Coin(u64);

impl Coin {
    /// The throws that this number decides.
    pub(super) const fn loaded(load: u64) -> Self {
        Self(load.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn toss(&mut self) -> bool {
        self.next() & 0x10 != 0
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap() % bound
    }
}
