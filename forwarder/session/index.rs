//! Where a hash leads: buckets of one cache line that hold tags and numbers of entries.
//!
//! A reference stands in the home bucket of its hash, or in a second one where home is nearly full
//! and the second emptier; none is ever moved. So nearly every search reads one line, and yet no
//! bucket is full before its time: with four references a bucket and no second choice, one in a
//! hundred would find no place.

use zerocopy::{FromZeros, Immutable, KnownLayout};

use super::key::Hash;
use crate::mem::{NoMemory, Slab, Tags, prefetch};

/// References for each bucket when as many as planned are there.
const FILL: u64 = 4;

/// Places of a home bucket that are taken before the second bucket is looked at.
const HOME_FIRST: u32 = 6;

/// Places whose tag is 0 are empty.
#[derive(FromZeros, Immutable, KnownLayout)]
#[repr(C, align(64))]
struct Bucket {
    tags: Tags,
    entries: [u32; Tags::WAYS],
    /// How many references that are at home here stand in their second bucket: mostly none, and
    /// then a search that fails here has failed.
    away: u32,
}

const _: () = assert!(size_of::<Bucket>() == 64);

pub(super) struct Index {
    buckets: Slab<Bucket>,
    /// As the slab's length, which is never more than 32 bits wide.
    count: u32,
}

impl Index {
    /// Room for `references`.
    pub(super) fn new(references: u64) -> Result<Self, NoMemory> {
        let count = u32::try_from(references.div_ceil(FILL))
            .unwrap_or(u32::MAX)
            .max(2);
        let buckets = Slab::new(count as usize)?;
        Ok(Self { buckets, count })
    }

    pub(super) fn on_hugepages(&self) -> bool {
        self.buckets.on_hugepages()
    }

    /// Asks for the home bucket.
    #[inline]
    pub(super) fn prefetch_bucket(&self, hash: Hash) {
        if let Some(home) = self.bucket(hash.home(self.count)) {
            prefetch(home);
        }
    }

    /// Asks for the entry at home that is most likely meant, and gives its number; or for the
    /// second bucket, if it may be there.
    #[inline]
    pub(super) fn prefetch_entry<T>(&self, hash: Hash, entries: &[T]) -> Option<u32> {
        let home = self.bucket(hash.home(self.count))?;
        let likely = home.candidates(hash.tag()).next();
        if let Some(likely) = likely {
            if let Some(entry) = entries.get(likely as usize) {
                prefetch(entry);
            }
        } else if home.away != 0
            && let Some(second) = self.bucket(hash.second(self.count))
        {
            prefetch(second);
        }
        likely
    }

    /// What `look` finds in the first entry, of those that `hash` may mean, where it finds
    /// anything.
    #[inline]
    pub(super) fn find<R>(&self, hash: Hash, look: impl Fn(u32) -> Option<R>) -> Option<R> {
        let home = self.bucket(hash.home(self.count))?;
        if let Some(found) = home.candidates(hash.tag()).find_map(&look) {
            return Some(found);
        }
        if home.away == 0 {
            return None;
        }
        let second = self.bucket(hash.second(self.count))?;
        second.candidates(hash.tag()).find_map(look)
    }

    /// All entries in both buckets of a hash.
    pub(super) fn occupants(&self, hash: Hash) -> impl Iterator<Item = u32> {
        let pair = [hash.home(self.count), hash.second(self.count)];
        let buckets = pair.into_iter().filter_map(|number| self.bucket(number));
        buckets.flat_map(|bucket| {
            let places = bucket.tags.0.iter().zip(bucket.entries);
            places.filter(|(tag, _)| **tag != 0).map(|(_, entry)| entry)
        })
    }

    /// Refers from `hash` to `entry`. False where both buckets are full.
    pub(super) fn place(&mut self, hash: Hash, entry: u32) -> bool {
        let (home, second) = (hash.home(self.count), hash.second(self.count));
        let taken = |number| self.bucket(number).map_or(u32::MAX, Bucket::taken);
        let at_home = taken(home) < HOME_FIRST || taken(home) <= taken(second);
        let placed = self
            .bucket_mut(if at_home { home } else { second })
            .is_some_and(|bucket| bucket.replace((0, 0), (hash.tag(), entry)));
        if placed && !at_home {
            self.count_away(home, 1);
        }
        placed
    }

    /// Takes the references from the hashes of one session to its entry away.
    pub(super) fn unlink(&mut self, forward: Hash, reverse: Option<Hash>, entry: u32) {
        let mut unlinked = self.unlink_one(forward, entry);
        if let Some(reverse) = reverse
            && !self.unlink_one(reverse, entry)
        {
            // Where both have one tag, they look alike. The reverse reference stood where the
            // forward one is at home and was taken for it, which still stands away. (Had each
            // stood in the other's home, none would be missed, and a count stay too high: then a
            // search there looks at one bucket more.)
            let (home, second) = (forward.home(self.count), forward.second(self.count));
            unlinked &= self.unlink_at(second, forward, entry);
            self.count_away(home, -1);
            if reverse.home(self.count) != home {
                self.count_away(reverse.home(self.count), -1);
            }
        }
        debug_assert!(unlinked, "{forward:?} does not lead to entry {entry}");
    }

    /// False where neither bucket has it.
    fn unlink_one(&mut self, hash: Hash, entry: u32) -> bool {
        let (home, second) = (hash.home(self.count), hash.second(self.count));
        if self.unlink_at(home, hash, entry) {
            return true;
        }
        let away = self.unlink_at(second, hash, entry);
        if away {
            self.count_away(home, -1);
        }
        away
    }

    fn unlink_at(&mut self, number: u32, hash: Hash, entry: u32) -> bool {
        self.bucket_mut(number)
            .is_some_and(|bucket| bucket.replace((hash.tag(), entry), (0, 0)))
    }

    fn count_away(&mut self, home: u32, change: i32) {
        if let Some(home) = self.bucket_mut(home) {
            home.away = home.away.wrapping_add_signed(change);
        }
    }

    #[inline]
    fn bucket(&self, number: u32) -> Option<&Bucket> {
        self.buckets.get(number as usize)
    }

    fn bucket_mut(&mut self, number: u32) -> Option<&mut Bucket> {
        self.buckets.get_mut(number as usize)
    }
}

impl Bucket {
    /// The entries with this tag.
    #[inline]
    fn candidates(&self, tag: u16) -> impl Iterator<Item = u32> {
        let ways = Ways(self.tags.matches(tag));
        ways.filter_map(|way| self.entries.get(way).copied())
    }

    fn taken(&self) -> u32 {
        self.tags.matches(0).count_zeros()
    }

    /// Writes over the first place that has this tag and this entry. False where none has.
    fn replace(&mut self, old: (u16, u32), new: (u16, u32)) -> bool {
        let mut places = self.tags.0.iter_mut().zip(&mut self.entries);
        let place = places.find(|(tag, entry)| (**tag, **entry) == old);
        place.map(|(tag, entry)| (*tag, *entry) = new).is_some()
    }
}

/// The numbers of the bits that are set, lowest first.
struct Ways(u8);

impl Iterator for Ways {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let way = (self.0 != 0).then(|| self.0.trailing_zeros() as usize);
        self.0 &= self.0.wrapping_sub(1);
        way
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::{
        session::key::{FlowKey, Hasher},
        wire::{Endpoint, Protocol},
    };

    fn hashes() -> impl Iterator<Item = Hash> {
        let hasher = Hasher::new(1);
        let vip = Endpoint::new(Ipv4Addr::new(192, 0, 2, 100), 80);
        (0..u32::MAX).map(move |client| {
            let client = Endpoint::new(Ipv4Addr::from(client), 1);
            hasher.hash(&FlowKey::new(client, vip, Protocol::Tcp))
        })
    }

    fn find(index: &Index, hash: Hash, entry: u32) -> Option<u32> {
        index.find(hash, |found| (found == entry).then_some(found))
    }

    #[test]
    fn what_is_placed_is_a_candidate_until_it_is_unlinked() {
        let mut index = Index::new(100).unwrap();
        let hashes: Vec<_> = hashes().take(100).collect();
        for (hash, entry) in hashes.iter().zip(0..) {
            assert!(index.place(*hash, entry));
        }
        for (hash, entry) in hashes.iter().zip(0..) {
            assert_eq!(find(&index, *hash, entry), Some(entry));
            assert!(index.occupants(*hash).any(|occupant| occupant == entry));
            index.unlink(*hash, None, entry);
            assert_eq!(find(&index, *hash, entry), None);
        }
        assert!(
            hashes
                .iter()
                .all(|hash| index.occupants(*hash).count() == 0)
        );
    }

    /// Pairs of hashes with one tag: about one NAT session in 65,536 has such.
    fn alike() -> Vec<(Hash, Hash)> {
        let mut by_tag = std::collections::HashMap::new();
        let pairs = hashes().filter_map(|hash| Some((by_tag.insert(hash.tag(), hash)?, hash)));
        pairs.take(if cfg!(miri) { 100 } else { 5000 }).collect()
    }

    #[test]
    fn references_of_one_entry_that_look_alike_are_not_mixed_up() {
        let mut index = Index::new(12).unwrap();
        let mut placed: Vec<(Hash, Hash, u32)> = Vec::new();
        for ((forward, reverse), entry) in alike().into_iter().zip(0..) {
            if index.place(forward, entry) {
                if index.place(reverse, entry) {
                    placed.push((forward, reverse, entry));
                } else {
                    index.unlink(forward, None, entry);
                }
            }
            if placed.len() > 8 {
                let (forward, reverse, entry) = placed.swap_remove(entry as usize % 8);
                index.unlink(forward, Some(reverse), entry);
            }
            let taken: u32 = index.buckets.iter().map(Bucket::taken).sum();
            assert_eq!(taken as usize, 2 * placed.len());
            for (forward, reverse, entry) in &placed {
                assert_eq!(find(&index, *forward, *entry), Some(*entry));
                assert_eq!(find(&index, *reverse, *entry), Some(*entry));
            }
        }
        for (forward, reverse, entry) in placed {
            index.unlink(forward, Some(reverse), entry);
        }
        assert!(index.buckets.iter().all(|bucket| bucket.away == 0));
    }

    #[test]
    fn six_stay_at_home_before_the_second_bucket_is_looked_at() {
        let mut index = Index::new(8).unwrap();
        let at_home = hashes().filter(|hash| hash.home(2) == 0);
        for (hash, entry) in at_home.take(8).zip(0..) {
            assert!(index.place(hash, entry));
            let taken: Vec<u32> = index.buckets.iter().map(Bucket::taken).collect();
            let away = (entry + 1).saturating_sub(6);
            assert_eq!(taken, [entry + 1 - away, away]);
            assert_eq!(index.buckets[0].away, away);
        }
    }

    #[test]
    fn sixteen_places_are_all_there_are() {
        let mut index = Index::new(1).unwrap();
        let hashes: Vec<_> = hashes().take(17).collect();
        let placed: Vec<_> = hashes
            .iter()
            .zip(0..)
            .map(|(h, e)| index.place(*h, e))
            .collect();
        assert_eq!(placed, [[true; 16].as_slice(), &[false]].concat());
        let mut occupants: Vec<_> = index.occupants(hashes[16]).collect();
        occupants.sort_unstable();
        assert_eq!(occupants, (0..16).collect::<Vec<_>>());
        index.unlink(hashes[3], None, 3);
        assert!(index.place(hashes[16], 16));

        assert_ne!(
            index.buckets.iter().map(|bucket| bucket.away).sum::<u32>(),
            0
        );
        for (hash, entry) in hashes.iter().zip(0..).filter(|(_, entry)| *entry != 3) {
            index.unlink(*hash, None, entry);
        }
        assert!(index.buckets.iter().all(|bucket| bucket.away == 0));
    }
}
