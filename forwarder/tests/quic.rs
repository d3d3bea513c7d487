//! QUIC connections keep their backend when their client's address changes.

mod rig;

use rig::{Rig, frames::spec};
use weir::{
    control::{commands::Command, roster::Health},
    session::BackendIx,
};

const BACKENDS: usize = 8;

/// A director of one QUIC service with these keys, whose backends have these.
fn director(keys: &str, of_backend: impl Fn(usize) -> String) -> Rig {
    let backends: Vec<String> = (0..BACKENDS)
        .map(|ix| {
            let more = of_backend(ix);
            format!(
                r#"(name: "b{ix}", address: "10.1.0.{}:443", {more}),"#,
                11 + ix
            )
        })
        .collect();
    Rig::new(&format!(
        r#"(
            dpdk: (workers: [1, 2]),
            ports: [
                (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
                (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
            ],
            services: [(
                name: "h3", address: "192.0.2.100:443", protocol: Udp, forward: Nat, {keys}
                backends: [{}],
            )],
        )"#,
        backends.concat()
    ))
}

/// The backend that a datagram from this client comes to.
fn backend(rig: &mut Rig, client: &str, data: &[u8]) -> usize {
    let frames = |rig: &Rig| -> Vec<u64> {
        let of = |ix: u32| {
            let of_workers = rig.counters.iter().map(|counters| {
                let backend = counters.backend(BackendIx(ix));
                backend.map_or(0, |backend| backend.forward.frames.get())
            });
            of_workers.sum()
        };
        (0..8).map(of).collect()
    };
    let before = frames(rig);
    rig.receive(
        0,
        0,
        &spec(0, client, "192.0.2.100:443").payload(data).udp(),
    );
    rig.settle();
    let after = frames(rig);
    let moved: Vec<usize> = (0..BACKENDS)
        .filter(|ix| after[*ix] > before[*ix])
        .collect();
    assert_eq!(moved.len(), 1, "{moved:?}");
    moved[0]
}

fn short(id: &[u8]) -> Vec<u8> {
    [&[0x40], id, b"protected"].concat()
}

fn long(id: &[u8]) -> Vec<u8> {
    let length = u8::try_from(id.len()).unwrap_or_default();
    [&[0xc3, 0, 0, 0, 1, length], id, b"rest"].concat()
}

#[test]
fn a_server_is_known_by_the_id_that_it_writes() {
    let server_id = |ix: usize| format!(r#"server_id: "{:04x}""#, 0xab00 + ix);
    for keys in ["quic: (length: 2),", "scheduler: mh, quic: (length: 2),"] {
        let mut rig = director(keys, server_id);
        for number in 0..40_u8 {
            // The client's first packets have IDs of its own making, which may look like any.
            let client = format!("192.0.2.9:{}", 2000 + u16::from(number));
            let chosen = backend(&mut rig, &client, &long(&[number, 0xab, 3, 7, 7, 7, 7, 7]));
            let id = [
                0x27,
                0xab,
                u8::try_from(chosen).unwrap_or_default(),
                number,
                1,
            ];
            assert_eq!(backend(&mut rig, &client, &short(&id)), chosen);
            for moved_to in ["192.0.2.9:7", "192.0.2.200:1", "192.0.2.77:44"] {
                let moved_to = format!("{moved_to}{number:03}");
                assert_eq!(backend(&mut rig, &moved_to, &short(&id)), chosen);
            }
        }
        rig.check_books();
    }
}

/// Weight 0 keeps new connections away, not those that move.
#[test]
fn a_server_that_drains_keeps_those_that_move() {
    let of_backend = |ix: usize| format!(r#"server_id: "0{ix}", weight: {}"#, usize::from(ix != 3));
    let mut rig = director("quic: (length: 1),", of_backend);
    assert_eq!(backend(&mut rig, "192.0.2.9:1", &short(b"\x20\x03")), 3);
    for port in 2..40 {
        let client = format!("192.0.2.9:{port}");
        assert_ne!(backend(&mut rig, &client, &long(b"\x20\x03")), 3);
    }
}

/// Whom a server's ID leads to gets nothing while it is down, connections that move included.
#[test]
fn a_server_that_is_down_gets_none_that_move() {
    let mut rig = director("quic: (length: 1),", |ix| format!(r#"server_id: "0{ix}""#));
    assert_eq!(backend(&mut rig, "192.0.2.9:1", &short(b"\x20\x03")), 3);
    let health = |health| Command::SetHealth {
        service: "h3".to_owned(),
        backend: "b3".to_owned(),
        health,
        weight: None,
    };
    assert!(rig.tell(health(Health::Down("no answer".into()))).is_ok());
    for port in 1..20 {
        let client = format!("192.0.2.9:{port}");
        assert_ne!(backend(&mut rig, &client, &short(b"\x20\x03")), 3);
    }
    assert!(rig.tell(health(Health::Up)).is_ok());
    assert_eq!(backend(&mut rig, "192.0.2.9:77", &short(b"\x20\x03")), 3);
}

/// What tells nothing goes by the client's address, as without the option.
#[test]
fn nobodys_ids_are_of_no_effect() {
    let server_id = |ix: usize| format!(r#"server_id: "00{ix:02x}""#);
    let mut plain = director("scheduler: mh,", |_| String::new());
    let mut quic = director("scheduler: mh, quic: (length: 2),", server_id);
    for (number, data) in [&b""[..], b"\x40", b"\x40\x27\xff\xffmore", b"\xc0\0\0"]
        .iter()
        .enumerate()
    {
        for host in 10..20 {
            let client = format!("192.0.2.{host}:{}", 1000 + number);
            let expected = backend(&mut plain, &client, data);
            assert_eq!(backend(&mut quic, &client, data), expected);
        }
    }
}

/// Without IDs of servers the octets are hashed, in short and long headers, from any address.
#[test]
fn what_the_client_has_written_first_is_hashed() {
    for scheduler in ["Maglev", "SourceHashing"] {
        let keys = format!("scheduler: {scheduler}, quic: (offset: 2, length: 6),");
        let mut rig = director(&keys, |_| String::new());
        let mut used = [false; BACKENDS];
        for number in 0..40_u8 {
            let client = |host: u8| format!("192.0.2.{host}:{}", 2000 + u16::from(number));
            let first = [number, 1, number, 2, 3, 4, 5, 6, 99];
            let chosen = backend(&mut rig, &client(9), &long(&first));
            used[chosen] = true;
            let of_server = [[55, 66], [number, 2], [3, 4], [5, 6], [77, 88]].concat();
            assert_eq!(backend(&mut rig, &client(10), &short(&of_server)), chosen);
            assert_eq!(backend(&mut rig, &client(11), &long(&of_server)), chosen);
        }
        assert!(used.iter().filter(|used| **used).count() > 5);
    }
}
