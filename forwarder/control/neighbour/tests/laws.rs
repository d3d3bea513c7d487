//! Laws that hold whatever comes in, in whatever order.

use proptest::{collection::vec, prelude::*};

use super::*;

/// Something that happens to the machine.
#[derive(Clone, Debug)]
enum Input {
    Octets(Vec<u8>),
    Arp {
        port: u16,
        tag: Option<u16>,
        operation: u16,
        sender: (Mac, Ipv4Addr),
        target: (Mac, Ipv4Addr),
        /// Octets of the frame that are missing, and whether a second segment follows.
        cut: usize,
        chained: bool,
    },
    Resolve {
        port: u16,
        address: Ipv4Addr,
    },
    Want {
        port: u16,
        address: Ipv4Addr,
    },
    Pass {
        ms: u64,
    },
}

/// Few addresses, so that inputs meet: our own, neighbours, and what is neither.
fn address() -> impl Strategy<Value = Ipv4Addr> {
    let networks = prop::sample::select(vec![[10, 1, 0], [10, 2, 0], [192, 0, 2], [0, 0, 0]]);
    let last = prop::sample::select(vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100, 101, 255]);
    (networks, last).prop_map(|([a, b, c], d)| Ipv4Addr::new(a, b, c, d))
}

fn any_mac() -> impl Strategy<Value = Mac> {
    prop_oneof![
        8 => (0_u8..8).prop_map(mac),
        1 => prop::sample::select(vec![WAN_MAC, LAN_MAC, Mac::BROADCAST, Mac::default()]),
    ]
}

fn arp_input() -> impl Strategy<Value = Input> {
    let who = || (any_mac(), address());
    let tag = prop::option::weighted(0.2, 0_u16..3);
    let cut = prop_oneof![9 => Just(0_usize), 1 => 0_usize..60];
    let chained = prop::bool::weighted(0.1);
    (0_u16..3, tag, 0_u16..4, who(), who(), cut, chained).prop_map(
        |(port, tag, operation, sender, target, cut, chained)| Input::Arp {
            port,
            tag,
            operation,
            sender,
            target,
            cut,
            chained,
        },
    )
}

fn input() -> impl Strategy<Value = Input> {
    let port = || 0_u16..3;
    prop_oneof![
        1 => vec(any::<u8>(), 0..80).prop_map(Input::Octets),
        8 => arp_input(),
        6 => (port(), address()).prop_map(|(port, address)| Input::Resolve { port, address }),
        1 => (port(), address()).prop_map(|(port, address)| Input::Want { port, address }),
        4 => prop_oneof![0_u64..20, 0_u64..6000, 0_u64..100_000]
            .prop_map(|ms| Input::Pass { ms }),
    ]
}

/// The machine, and what went in and came out of it.
struct Ledger {
    machine: Neighbours<MemoryFrame>,
    links: Vec<Link>,
    arp_in: u64,
    data_in: u64,
    asked: u64,
    answers: u64,
    data_out: BTreeSet<u64>,
}

impl Ledger {
    fn apply(&mut self, input: Input, now: &mut u64) {
        match input {
            Input::Octets(octets) => {
                self.arp_in += 1;
                self.machine.arp(WAN, MemoryFrame::new(&octets), at(*now));
            }
            Input::Arp {
                port,
                tag,
                operation,
                sender,
                target,
                cut,
                chained,
            } => {
                self.arp_in += 1;
                let packet = arp::Header::new(operation.into(), sender, target);
                let frame = arp_frame(Mac::BROADCAST, tag.map(tagged), &packet);
                let octets = &frame.head()[..60 - cut];
                let frame = if chained {
                    MemoryFrame::chained(octets, 100)
                } else {
                    MemoryFrame::new(octets)
                };
                self.machine.arp(PortIx(port), frame, at(*now));
            }
            Input::Resolve { port, address } => {
                let frame = data_frame(self.data_in);
                self.data_in += 1;
                self.machine
                    .resolve(PortIx(port), address.into(), frame, at(*now));
            }
            Input::Want { port, address } => {
                self.machine
                    .want(key((PortIx(port), address)), at(*now), at(*now));
            }
            Input::Pass { ms } => {
                *now += ms;
                self.machine.handle_timeout(&MemoryPool, at(*now));
            }
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.next_output() {
            if let Output::Send { port, frame } = output {
                self.look_at(port, &frame);
            }
        }
    }

    /// What leaves names no address as ours but those that are, on their port.
    fn look_at(&mut self, port: PortIx, frame: &MemoryFrame) {
        let header = ethernet::parse(frame.head()).unwrap();
        if header.ethertype == ethernet::ETHERTYPE_IPV4 {
            assert!(!header.destination.is_group());
            let id = u64::from_be_bytes(frame.head()[14..22].try_into().unwrap());
            assert!(self.data_out.insert(id), "a frame is sent once");
            return;
        }
        let (_, packet) = read(frame);
        let link = self.links.iter().find(|link| link.port == port).unwrap();
        assert_eq!((header.source, packet.sender_mac), (link.mac, link.mac));
        let own = |address| link.own().any(|own| own == address);
        if packet.operation() == Operation::Reply {
            assert!(own(packet.sender_ip()) && !header.destination.is_group());
            self.answers += 1;
            return;
        }
        let probe = packet.sender_ip().is_unspecified() && own(packet.target_ip());
        let announcement = packet.sender_ip() == packet.target_ip();
        assert!(probe || own(packet.sender_ip()));
        assert!(probe || announcement || !link.vips.contains(&packet.sender_ip().into()));
        self.asked += 1;
    }

    /// Every frame is accounted for, and every bound holds.
    fn balance(&self, s: &Settings, most_wanted: usize) {
        let c = self.machine.counters();
        let received = [
            c.malformed,
            c.looped,
            c.conflicts,
            c.answered,
            c.not_ours,
            c.replies,
            c.unsolicited,
        ];
        assert_eq!(received.iter().sum::<u64>(), self.arp_in);
        let held = self.machine.held() as u64;
        let dropped = [
            c.no_header,
            c.not_on_link,
            c.unresolved,
            c.waiting_full,
            c.table_full,
        ];
        let gone = dropped.iter().sum::<u64>() + self.data_out.len() as u64;
        assert_eq!(gone + held, self.data_in);
        assert_eq!(c.answered, self.answers);
        assert_eq!(c.asked + c.announced + c.probed, self.asked);
        assert_eq!((c.sends_full, c.pool_dry), (0, 0));

        let rows: Vec<Row> = self.machine.table(at(0)).collect();
        let cached = self.machine.cache.iter();
        let learned = cached.filter(|(_, entry)| !entry.wanted).count();
        assert!(learned <= s.neighbours && rows.len() <= s.neighbours + most_wanted);
        assert!(held <= s.waiting as u64);
        for row in &rows {
            let own = |link: &Link| link.own().any(|own| own == row.address);
            assert!(!self.links.iter().any(own));
            let unknown = matches!(row.state, State::Incomplete | State::Failed);
            assert_eq!(row.mac.is_none(), unknown);
            assert!(
                row.mac
                    .is_none_or(|mac| !mac.is_group() && mac != Mac::default())
            );
        }
        assert!(
            self.machine.poll_timeout().is_some(),
            "announcements never end"
        );
    }
}

proptest! {
    #[test]
    fn the_books_balance(inputs in vec(input(), 1..200)) {
        let settings = Settings {
            neighbours: 6,
            waiting_per_neighbour: 3,
            waiting: 8,
            ..Settings::default()
        };
        let facts = facts(&[(LAN, BACKEND)]);
        let mut ledger = Ledger {
            links: facts.links.clone(),
            machine: Neighbours::new(settings.clone(), facts, at(0)),
            arp_in: 0,
            data_in: 0,
            asked: 0,
            answers: 0,
            data_out: BTreeSet::new(),
        };
        let mut now = 0;
        let mut most_wanted = 1;
        for input in inputs {
            most_wanted += usize::from(matches!(input, Input::Want { .. }));
            ledger.apply(input, &mut now);
            ledger.balance(&settings, most_wanted);
        }
    }
}
