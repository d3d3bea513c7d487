use proptest::prelude::*;

use super::*;

fn link(secret: &[u8], seed: u64) -> Link {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    Link::new(key, seed, Now::from_ms(0))
}

/// Two ends, and what lies between them.
struct Two {
    ends: [Link; 2],
    /// What each has taken.
    taken: [Vec<Vec<u8>>; 2],
    /// All that was ever sent, with who sent it.
    seen: Vec<(usize, Vec<u8>)>,
    now: Now,
}

impl Two {
    fn new() -> Self {
        Self {
            ends: [link(b"a secret", 1), link(b"a secret", 2)],
            taken: Default::default(),
            seen: Vec::new(),
            now: Now::from_ms(1),
        }
    }

    /// A millisecond passes; `arrives` says which datagrams arrive, by how many were sent before.
    fn pass(&mut self, mut arrives: impl FnMut(usize) -> bool) {
        self.now = Now::from_ms(self.now.ms() + 1);
        for sender in [0, 1] {
            self.ends[sender].handle_timeout(self.now);
            while let Some(datagram) = self.ends[sender].next_output() {
                if arrives(self.seen.len()) {
                    self.arrive(1 - sender, &datagram, true);
                }
                self.seen.push((sender, datagram));
            }
        }
    }

    fn arrive(&mut self, at: usize, datagram: &[u8], has_room: bool) {
        if let Some(message) = self.ends[at].hear(datagram, has_room, self.now) {
            self.taken[at].push(message.to_vec());
        }
    }

    fn pass_ms(&mut self, ms: u64) {
        (0..ms).for_each(|_| self.pass(|_| true));
    }

    fn up(&self) -> [bool; 2] {
        [self.ends[0].is_up(), self.ends[1].is_up()]
    }
}

fn message(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

#[test]
fn two_find_each_other_and_what_is_sent_arrives() {
    let mut two = Two::new();
    assert_eq!(two.ends[0].room(), 0);
    two.pass_ms(3);
    assert_eq!(two.up(), [true; 2]);
    for number in 0..300 {
        two.ends[0].send(message(number), two.now);
        two.ends[1].send(message(1000 + number), two.now);
        if number % 100 == 99 {
            two.pass_ms(2);
        }
    }
    two.pass_ms(2);
    assert_eq!(two.taken[1], (0..300).map(message).collect::<Vec<_>>());
    assert_eq!(two.taken[0], (1000..1300).map(message).collect::<Vec<_>>());
    assert_eq!(two.ends[0].lag_ns(two.now), 0);
    let counters = two.ends[0].counters();
    assert_eq!(
        (counters.links, counters.resent, counters.forged),
        (1, 0, 0)
    );
}

#[test]
fn no_more_is_under_way_than_the_window_and_all_of_it_is_said_again() {
    let mut two = Two::new();
    two.pass_ms(3);
    for number in 0..1000 {
        two.ends[0].send(message(number), two.now);
    }
    assert_eq!(two.ends[0].room(), 0);
    (0..25).for_each(|_| two.pass(|_| false));
    assert_eq!(two.ends[0].lag_ns(two.now), 25 * MS);
    two.pass_ms(10);
    assert_eq!(two.taken[1].len(), WINDOW);
    assert_eq!(two.ends[0].counters().resent, WINDOW as u64);
    assert_eq!(two.ends[0].room(), WINDOW);
}

#[test]
fn who_has_no_room_gets_it_later() {
    let mut two = Two::new();
    two.pass_ms(3);
    two.ends[0].send(message(7), two.now);
    let sent = two.ends[0].next_output().unwrap();
    two.arrive(1, &sent, false);
    assert!(two.taken[1].is_empty());
    two.pass_ms(20);
    assert_eq!(two.taken[1], [message(7)]);
}

#[test]
fn one_that_begins_anew_is_met_anew_and_nothing_is_mixed_up() {
    let mut two = Two::new();
    two.pass_ms(3);
    two.ends[0].send(message(1), two.now);
    two.pass_ms(3);
    two.ends[1] = link(b"a secret", 3);
    two.ends[0].send(message(2), two.now);
    two.pass_ms(200);
    assert_eq!(two.up(), [true; 2]);
    assert_eq!(two.ends[0].counters().links, 2);
    // What was said to the one before was for it alone.
    assert_eq!(two.taken[1], [message(1)]);
    two.ends[0].send(message(3), two.now);
    two.pass_ms(3);
    assert_eq!(two.taken[1], [message(1), message(3)]);
}

#[test]
fn who_is_silent_is_gone_after_two_seconds() {
    let mut two = Two::new();
    two.pass_ms(3);
    for _ in 0..1990 {
        two.pass(|_| false);
    }
    assert_eq!(two.up(), [true; 2]);
    for _ in 0..20 {
        two.pass(|_| false);
    }
    assert_eq!(two.up(), [false; 2]);
    two.pass_ms(200);
    assert_eq!(two.up(), [true; 2]);
}

#[test]
fn another_key_is_not_believed() {
    let mut two = Two::new();
    two.ends[1] = link(b"another secret", 2);
    two.pass_ms(500);
    assert_eq!(two.up(), [false; 2]);
    assert!(two.ends[0].counters().forged > 0);
}

/// All that was ever sent comes again, to either end, while there is a link and after it: no
/// message is taken twice, and the link stays.
#[test]
fn what_was_recorded_is_of_no_use() {
    let mut two = Two::new();
    two.pass_ms(3);
    two.ends[0].send(message(1), two.now);
    two.pass_ms(300);
    let links = || [1, 1];
    let again = |two: &mut Two| {
        for (_, datagram) in two.seen.clone() {
            for at in [0, 1] {
                two.arrive(at, &datagram, true);
            }
        }
    };
    again(&mut two);
    two.pass_ms(300);
    again(&mut two);
    assert_eq!(two.taken, [vec![], vec![message(1)]]);
    let counted = [0, 1].map(|at: usize| two.ends[at].counters().links);
    assert_eq!((two.up(), counted), ([true; 2], links()));
    // An end that begins anew does not take it either.
    two.ends[1] = link(b"a secret", 9);
    again(&mut two);
    assert_eq!(two.taken[1], [message(1)]);
    assert!(!two.ends[1].is_up());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However many are lost, what is sent arrives once and in order, as soon as enough does.
    #[test]
    fn all_arrives_in_order_whatever_is_lost(
        lost in prop::collection::vec(0..10_u8, 1..400),
        worst in 1..8_u8,
        counts in prop::array::uniform2(1..300_u32),
    ) {
        let mut two = Two::new();
        let arrives = |n: usize| lost[n % lost.len()] >= worst;
        let mut sent = [0, 0];
        for _ in 0..400 {
            for end in [0, 1] {
                while sent[end] < counts[end] && two.ends[end].room() > 0 {
                    two.ends[end].send(message(sent[end]), two.now);
                    sent[end] += 1;
                }
            }
            two.pass(arrives);
        }
        let links = two.ends[0].counters().links.max(two.ends[1].counters().links);
        prop_assume!(links == 1);
        two.pass_ms(1500);
        for end in [0, 1] {
            let expected: Vec<_> = (0..sent[end]).map(message).collect();
            prop_assert_eq!(&two.taken[1 - end], &expected);
        }
    }

    /// What nobody with the key has made changes nothing, nor does what was damaged.
    #[test]
    fn what_is_damaged_is_not_believed(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        change in 1..=255_u8,
    ) {
        let mut two = Two::new();
        two.pass_ms(3);
        two.ends[0].send(message(5), two.now);
        let mut sent = two.ends[0].next_output().unwrap();
        let at = at.index(sent.len());
        sent[at] ^= change;
        two.arrive(1, &sent, true);
        two.arrive(1, &noise, true);
        prop_assert!(two.taken[1].is_empty());
        prop_assert_eq!(two.ends[1].counters().forged, 2);
    }
}
