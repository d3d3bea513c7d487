//! Which backend the clients of persistent services have: what IPVS calls templates.
//!
//! A template stands in one of two buckets that its service and client lead to, each a cache line,
//! or two for IPv6, and half of all places are to be free. Nothing is moved when time passes: what
//! has expired is nobody's, and goes when its place is wanted or a sweep passes.

use std::net::{Ipv4Addr, Ipv6Addr};

use zerocopy::{FromZeros, Immutable, KnownLayout};

use super::{
    BackendIx, ServiceIx,
    counts::Counts,
    entry::Deadline,
    key::{Family, FlowKey, Hash, Hasher},
};
use crate::{
    mem::{NoMemory, Slab},
    wire::Endpoint,
};

/// Templates of a bucket.
const WAYS: usize = 4;

/// The same, as places are counted.
const PLACES: u32 = 4;

/// The backend of one client, or of all clients of one network.
#[derive(Clone, Copy, Debug, FromZeros, Immutable, KnownLayout)]
#[repr(C)]
pub struct Template<A: Family = Ipv4Addr> {
    /// The client, with the number of the service in place of a port; the default where nobody
    /// has the place.
    whose: A::Word,
    deadline: Deadline,
    /// The backend's number, and [`ASSURED`].
    backend: u32,
}

const _: () = assert!(size_of::<Bucket<Ipv4Addr>>() == 64);
const _: () = assert!(size_of::<Bucket<Ipv6Addr>>() == 128);

/// Set beside a backend's number once a connection of the client was seen to last.
const ASSURED: u32 = 1 << 31;

const _: () = assert!(BackendIx::MOST <= ASSURED);

#[derive(FromZeros, Immutable, KnownLayout)]
#[repr(C, align(64))]
struct Bucket<A: Family>([Template<A>; WAYS]);

/// One worker's templates.
pub struct Templates<A: Family = Ipv4Addr> {
    buckets: Slab<Bucket<A>>,
    /// As the slab's length, which is never more than 32 bits wide.
    count: u32,
    hasher: Hasher,
    capacity: u32,
    len: u32,
    counts: Counts,
    swept: u32,
}

impl<A: Family> Template<A> {
    /// The client's address, without the bits beyond the mask.
    pub fn client(&self) -> A {
        A::endpoint_of(self.whose).address
    }

    /// The service that it is a client of.
    pub fn service(&self) -> ServiceIx {
        ServiceIx(A::endpoint_of(self.whose).port)
    }

    /// The backend that its new sessions get.
    pub fn backend(&self) -> BackendIx {
        BackendIx(self.backend & !ASSURED)
    }

    /// True once a connection of the client was seen to last.
    pub fn is_assured(&self) -> bool {
        self.backend & ASSURED != 0
    }

    /// Milliseconds until it expires, 0 where it has.
    pub fn remaining_ms(&self, now_ms: u64) -> u32 {
        self.deadline.remaining_ms(now_ms)
    }

    fn is_free(&self) -> bool {
        self.whose == A::Word::default()
    }

    fn lasts(&self, now_ms: u64) -> bool {
        !self.is_free() && self.remaining_ms(now_ms) > 0
    }
}

impl<A: Family> Templates<A> {
    /// Room for `capacity` templates; what they are found by is spread by a hash of `seed`.
    /// `counts` takes how many each backend has.
    pub(super) fn new(capacity: u32, counts: Counts, seed: u64) -> Result<Self, NoMemory> {
        let count = capacity.div_ceil(2).max(2);
        Ok(Self {
            buckets: Slab::new(count as usize)?,
            count,
            hasher: Hasher::new(seed),
            capacity,
            len: 0,
            counts,
            swept: 0,
        })
    }

    /// The backend of a client.
    pub fn get(&mut self, service: ServiceIx, client: A, now_ms: u64) -> Option<BackendIx> {
        Some(self.find(service, client, now_ms)?.backend())
    }

    /// The same. From now on it is kept for `timeout_ms`.
    pub fn renew(
        &mut self,
        service: ServiceIx,
        client: A,
        timeout_ms: u32,
        now_ms: u64,
    ) -> Option<BackendIx> {
        let template = self.find(service, client, now_ms)?;
        template.deadline = Deadline::after(now_ms, Deadline::cut(timeout_ms));
        Some(template.backend())
    }

    /// Keeps a client's template for `least_ms` at least, as it has a session, which is `assured`
    /// where it is established.
    pub fn last(
        &mut self,
        service: ServiceIx,
        client: A,
        assured: bool,
        least_ms: u32,
        now_ms: u64,
    ) {
        if let Some(template) = self.find(service, client, now_ms) {
            if assured {
                template.backend |= ASSURED;
            }
            if template.remaining_ms(now_ms) < least_ms {
                template.deadline = Deadline::after(now_ms, least_ms);
            }
        }
    }

    /// Gives a client a backend for `timeout_ms`, instead of that which it had. False where there
    /// is no room: then it takes the place of a client none of whose connections was seen to last,
    /// if there is one, so that who floods a service with first packets keeps nobody out.
    pub fn set(
        &mut self,
        service: ServiceIx,
        client: A,
        backend: BackendIx,
        timeout_ms: u32,
        now_ms: u64,
    ) -> bool {
        self.forget(service, client, now_ms);
        let [home, second] = self.homes(service, client);
        let Self {
            buckets,
            counts,
            len,
            ..
        } = self;
        let mut found = None;
        let mut doubtful: Option<(u32, (usize, usize))> = None;
        for at in [home, second] {
            let Some(bucket) = buckets.get_mut(at) else {
                continue;
            };
            for (way, template) in bucket.0.iter_mut().enumerate() {
                if !template.is_free() && template.remaining_ms(now_ms) == 0 {
                    remove(template, counts, len);
                }
                if template.is_free() {
                    found = found.or(Some((at, way)));
                } else if !template.is_assured() {
                    let one = (template.remaining_ms(now_ms), (at, way));
                    doubtful = Some(doubtful.map_or(one, |other| other.min(one)));
                }
            }
        }
        let found = found.filter(|_| *len < self.capacity);
        let has_room = found.is_some();
        let place = found.or(doubtful.map(|(_, place)| place));
        let Some(template) = place.and_then(|(at, way)| buckets.get_mut(at)?.0.get_mut(way)) else {
            return false;
        };
        if !template.is_free() {
            remove(template, counts, len);
        }
        *template = Template {
            whose: key(service, client).source,
            deadline: Deadline::after(now_ms, Deadline::cut(timeout_ms)),
            backend: backend.0,
        };
        counts.persist(backend, |count| count.wrapping_add(1));
        *len = len.wrapping_add(1);
        has_room
    }

    /// Looks at as many buckets as there are templates in `budget`, the first again after the
    /// last, and removes what has expired.
    pub fn sweep(&mut self, now_ms: u64, budget: u32) {
        if self.len == 0 {
            return;
        }
        for _ in 0..budget.div_ceil(2).min(self.count) {
            if let Some(bucket) = self.buckets.get_mut(self.swept as usize) {
                for template in &mut bucket.0 {
                    if !template.is_free() && template.remaining_ms(now_ms) == 0 {
                        remove(template, &self.counts, &mut self.len);
                    }
                }
            }
            let next = self.swept.wrapping_add(1);
            self.swept = if next < self.count { next } else { 0 };
        }
    }

    /// The budget by which a sweep comes round.
    pub fn to_sweep(&self) -> u32 {
        if self.is_empty() { 0 } else { self.capacity }
    }

    /// The templates in `count` places from `from` on, each with its place; expired ones left out,
    /// and none beyond the last place.
    pub fn page(
        &self,
        from: u32,
        count: u32,
        now_ms: u64,
    ) -> impl Iterator<Item = (u32, &Template<A>)> {
        let places = from..from.saturating_add(count).min(self.places());
        places.filter_map(move |place| {
            let bucket = self.buckets.get((place / PLACES) as usize)?;
            let template = bucket.0.get((place % PLACES) as usize)?;
            template.lasts(now_ms).then_some((place, template))
        })
    }

    /// Places that there are for templates.
    pub fn places(&self) -> u32 {
        self.count.saturating_mul(PLACES)
    }

    /// Templates that there are, those too that have expired and were not looked at since.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many there may be.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    fn forget(&mut self, service: ServiceIx, client: A, now_ms: u64) {
        let Some(template) = self.find(service, client, now_ms) else {
            return;
        };
        template.deadline = Deadline::after(now_ms, 0);
    }

    fn find(&mut self, service: ServiceIx, client: A, now_ms: u64) -> Option<&mut Template<A>> {
        let whose = key(service, client).source;
        let is_it = |one: &Template<A>| one.whose == whose && one.remaining_ms(now_ms) > 0;
        let homes = self.homes(service, client);
        let at = homes.into_iter().find(|at| {
            let bucket = self.buckets.get(*at);
            bucket.is_some_and(|bucket| bucket.0.iter().any(is_it))
        })?;
        let mut all = self.buckets.get_mut(at)?.0.iter_mut();
        all.find(|one| is_it(one))
    }

    fn homes(&self, service: ServiceIx, client: A) -> [usize; 2] {
        let hash: Hash = self.hasher.hash(&key(service, client));
        [hash.home(self.count), hash.second(self.count)].map(|at| at as usize)
    }
}

/// What no packet has, nor a place that nobody has.
fn key<A: Family>(service: ServiceIx, client: A) -> FlowKey<A> {
    FlowKey::of_endpoint(Endpoint::new(client, service.0))
}

fn remove<A: Family>(template: &mut Template<A>, counts: &Counts, len: &mut u32) {
    counts.persist(template.backend(), |count| count.wrapping_sub(1));
    template.whose = A::Word::default();
    *len = len.wrapping_sub(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: ServiceIx = ServiceIx(3);

    fn templates(capacity: u32) -> (Templates, Counts) {
        let counts = Counts::new(8);
        let templates = Templates::new(capacity, counts.again(), 7).unwrap();
        (templates, counts)
    }

    fn client(number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(0x0a00_0000 + number)
    }

    fn persistent(counts: &Counts, backend: u32) -> u32 {
        counts.share()[backend as usize].persistent()
    }

    #[test]
    fn a_client_keeps_its_backend_until_its_time_is_up() {
        let (mut all, counts) = templates(16);
        assert!(all.set(WEB, client(1), BackendIx(2), 1000, 50));
        assert!(all.set(ServiceIx(4), client(1), BackendIx(5), 9000, 50));
        assert_eq!(all.renew(WEB, client(1), 1000, 1049), Some(BackendIx(2)));
        assert_eq!(all.renew(WEB, client(2), 1000, 1049), None);
        assert_eq!(all.renew(WEB, client(1), 1000, 2049), None);
        assert_eq!(
            all.renew(ServiceIx(4), client(1), 1, 2049),
            Some(BackendIx(5))
        );
        all.sweep(3000, 16);
        assert!(all.is_empty() && persistent(&counts, 2) == 0 && persistent(&counts, 5) == 0);
    }

    #[test]
    fn what_lasts_is_kept_and_never_cut_short() {
        let (mut all, _) = templates(16);
        all.set(WEB, client(1), BackendIx(2), 1000, 0);
        all.last(WEB, client(1), true, 400, 100);
        assert_eq!(all.renew(WEB, client(1), 500, 999), Some(BackendIx(2)));
        all.last(WEB, client(1), false, 600, 1400);
        all.last(WEB, client(9), true, 600, 1400);
        let left: Vec<_> = all
            .page(0, u32::MAX, 1400)
            .map(|(_, one)| (one.client(), one.remaining_ms(1400), one.is_assured()))
            .collect();
        assert_eq!(left, [(client(1), 600, true)]);
    }

    #[test]
    fn another_backend_takes_the_place_of_the_one_before() {
        let (mut all, counts) = templates(16);
        for backend in [1, 2] {
            assert!(all.set(WEB, client(1), BackendIx(backend), 1000, 0));
        }
        assert_eq!(all.renew(WEB, client(1), 1000, 1), Some(BackendIx(2)));
        assert_eq!((persistent(&counts, 1), persistent(&counts, 2)), (0, 1));
    }

    #[test]
    fn there_are_as_many_as_may_be_and_what_has_expired_makes_room() {
        let (mut all, counts) = templates(1000);
        let given = (0..2000).filter(|n| all.set(WEB, client(*n), BackendIx(1), 1000, 0));
        let given = u32::try_from(given.count()).unwrap();
        assert!((980..=1000).contains(&given), "{given}");
        assert_eq!((all.len(), persistent(&counts, 1)), (given, given));
        all.sweep(1000, 2000);
        assert!(all.is_empty());
        assert!(all.set(WEB, client(5000), BackendIx(1), 1000, 1000));
    }

    #[test]
    fn who_only_knocks_makes_way_and_never_takes_the_place_of_who_stays() {
        let (mut all, counts) = templates(1000);
        for number in 0..500 {
            assert!(all.set(WEB, client(number), BackendIx(1), 100_000, 0));
            all.last(WEB, client(number), true, 1000, 0);
        }
        let begun = (10_000..20_000).filter(|n| all.set(WEB, client(*n), BackendIx(2), 1000, 0));
        let begun = begun.count();
        assert!((400..=500).contains(&begun), "{begun} found a free place");
        assert!(all.len() <= 1000);
        assert_eq!(persistent(&counts, 1), 500);
        assert_eq!(persistent(&counts, 1) + persistent(&counts, 2), all.len());
        for number in 0..500 {
            assert_eq!(all.get(WEB, client(number), 1), Some(BackendIx(1)));
        }
        // Who comes amid that is remembered all the same.
        all.set(WEB, client(999), BackendIx(3), 1000, 1);
        assert_eq!(all.get(WEB, client(999), 2), Some(BackendIx(3)));
    }

    #[test]
    fn each_family_has_its_own_and_a_page_has_what_is_in_its_places() {
        let counts = Counts::new(8);
        let mut six = Templates::<Ipv6Addr>::new(64, counts.again(), 7).unwrap();
        let (mut four, _) = templates(64);
        let client6 = |number: u32| Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(number));
        for number in 0..20 {
            assert!(six.set(WEB, client6(number), BackendIx(2), 1000, 0));
            assert!(four.set(WEB, client(number), BackendIx(3), 1000, 0));
        }
        assert_eq!(six.get(WEB, client6(7), 999), Some(BackendIx(2)));
        assert_eq!(six.get(ServiceIx(4), client6(7), 999), None);
        assert_eq!(six.get(WEB, client6(7 | 1 << 20), 999), None);
        let mut found = 0;
        for from in (0..six.places()).step_by(5) {
            for (place, template) in six.page(from, 5, 999) {
                assert!((from..from + 5).contains(&place));
                assert_eq!(
                    (template.service(), template.backend()),
                    (WEB, BackendIx(2))
                );
                found += 1;
            }
        }
        assert_eq!((found, six.page(0, u32::MAX, 1000).count()), (20, 0));
        assert_eq!(persistent(&counts, 2), 20);
    }
}
