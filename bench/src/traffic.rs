//! The packets that a device under test gets: so many flows, each to one of the services.

use std::{
    collections::HashSet,
    fs::File,
    net::{Ipv4Addr, SocketAddrV4},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use etherparse::PacketBuilder;
use weir::io::pcap::Writer;

use crate::site;

/// Octets of the frame check sequence, which is on the wire and in no capture.
const CHECK_SEQUENCE: usize = 4;

/// Frames in a capture: all of them lie in buffers of the receiving program.
const MOST_FRAMES: usize = 65_536;

/// Segments of an established TCP flow for each SYN that opens it, where so many frames fit.
const SEGMENTS_PER_SYN: usize = 31;

/// Clients are in the network of RFC 2544's testers.
pub const CLIENTS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);

/// What the packets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Datagrams
    Udp,
    /// A SYN for each flow, then segments of the connection
    Tcp,
}

/// What a capture holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Different flows.
    pub flows: usize,
    /// Of which so many come from one address and port of a client, to different services.
    pub flows_per_client: usize,
    /// Clients before the first of these, which other captures have.
    pub clients_before: usize,
    /// Octets of a frame on the wire, check sequence included, as testers count.
    pub octets: usize,
    /// What the packets are.
    pub protocol: Protocol,
    /// Services that they are spread over.
    pub services: usize,
    /// False: they go to a port of the VIPs where no service is.
    pub served: bool,
}

impl Traffic {
    /// Datagrams over all services, each flow from a client of its own.
    pub fn new(flows: usize, octets: usize) -> Self {
        Self {
            flows,
            flows_per_client: 1,
            clients_before: 0,
            octets,
            protocol: Protocol::Udp,
            services: site::SERVICES,
            served: true,
        }
    }

    /// Writes the capture: each flow has its turn, once or, of TCP, with a SYN and then again.
    pub fn write(&self, path: &Path) -> Result<()> {
        let cannot = || format!("cannot write {}", path.display());
        let mut writer = Writer::new(File::create(path).with_context(cannot)?)?;
        for frame in self.frames()? {
            writer.write(0, &frame).with_context(cannot)?;
        }
        writer.finish().with_context(cannot)?;
        Ok(())
    }

    /// The frames of the capture, without check sequences.
    pub fn frames(&self) -> Result<Vec<Vec<u8>>> {
        ensure!(
            (1..=MOST_FRAMES).contains(&self.flows),
            "{} flows: a capture holds 1 to {MOST_FRAMES}",
            self.flows
        );
        ensure!(
            (1..=site::SERVICES).contains(&self.services),
            "{} services: there are 1 to {}",
            self.services,
            site::SERVICES
        );
        let rounds = match self.protocol {
            Protocol::Udp => 1,
            Protocol::Tcp => (MOST_FRAMES / self.flows).clamp(1, 1 + SEGMENTS_PER_SYN),
        };
        let clients: Vec<SocketAddrV4> = clients()
            .skip(self.clients_before)
            .take(self.flows.div_ceil(self.flows_per_client))
            .collect();
        (0..rounds)
            .flat_map(|round| (0..self.flows).map(move |flow| (round, flow)))
            .map(|(round, flow)| {
                let client = clients[flow / self.flows_per_client];
                self.frame(client, flow, round == 0)
            })
            .collect()
    }

    fn frame(&self, client: SocketAddrV4, flow: usize, first: bool) -> Result<Vec<u8>> {
        let service = site::service(flow % self.services);
        let port = if self.served {
            service.port()
        } else {
            site::NO_SERVICE
        };
        let packet = PacketBuilder::ethernet2(site::GATEWAY_MAC, site::PORT_MAC).ipv4(
            client.ip().octets(),
            service.ip().octets(),
            64,
        );
        let mut frame = Vec::with_capacity(self.octets);
        match self.protocol {
            Protocol::Udp => {
                let packet = packet.udp(client.port(), port);
                let payload = self.payload(packet.size(0))?;
                packet.write(&mut frame, &payload)?;
            }
            Protocol::Tcp => {
                let packet = packet.tcp(client.port(), port, 1, 1024);
                let packet = if first { packet.syn() } else { packet.ack(1) };
                let payload = self.payload(packet.size(0))?;
                packet.write(&mut frame, &payload)?;
            }
        }
        Ok(frame)
    }

    /// What is left of a frame behind `headers` octets.
    fn payload(&self, headers: usize) -> Result<Vec<u8>> {
        let left = self.octets.checked_sub(headers + CHECK_SEQUENCE);
        let left = left.with_context(|| {
            format!("{} octets: the headers take {headers} of them", self.octets)
        })?;
        Ok(vec![0; left])
    }
}

/// Addresses and ports of clients, all different. They are drawn at random (RFC 4814), since rows
/// of neighbouring addresses flatter some hashes and harm others, and the same in each run.
pub fn clients() -> impl Iterator<Item = SocketAddrV4> {
    let mut known = HashSet::new();
    (0..)
        .map(client)
        .filter(move |client| known.insert(*client))
}

fn client(number: u64) -> SocketAddrV4 {
    let [a, b, c, d, ..] = mixed(number).to_be_bytes();
    let [net, work, ..] = CLIENTS.octets();
    // Ports below 1024 are not clients'.
    SocketAddrV4::new(
        Ipv4Addr::new(net, work, a, b),
        u16::from_be_bytes([c | 4, d]),
    )
}

/// The step of the generator splitmix64.
fn mixed(number: u64) -> u64 {
    let mut mixed = number
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fs::File, net::SocketAddrV4};

    use etherparse::{NetSlice, SlicedPacket, TransportSlice};
    use weir::io::pcap::Reader;

    use super::{Protocol, Traffic, clients};
    use crate::site;

    fn traffic() -> Traffic {
        Traffic::new(256, 64)
    }

    #[test]
    fn clients_are_all_different() {
        let clients: Vec<_> = clients().take(65_536).collect();
        assert_eq!(clients.iter().collect::<HashSet<_>>().len(), 65_536);
        assert!(clients.iter().all(|client| client.port() >= 1024));
    }

    #[test]
    fn a_frame_is_as_long_as_testers_count() {
        for octets in [64, 1400] {
            let frames = Traffic {
                octets,
                ..traffic()
            }
            .frames()
            .unwrap();
            assert_eq!(frames.len(), 256);
            assert!(frames.iter().all(|frame| frame.len() + 4 == octets));
        }
        let short = Traffic {
            octets: 45,
            ..traffic()
        };
        let text = short.frames().unwrap_err().to_string();
        assert_eq!(text, "45 octets: the headers take 42 of them");
    }

    #[test]
    fn flows_are_spread_over_the_services() {
        let ends = ends(&traffic().frames().unwrap());
        let services: HashSet<_> = ends.iter().map(|(_, to)| to).collect();
        let clients: HashSet<_> = ends.iter().map(|(from, _)| from).collect();
        assert_eq!((services.len(), clients.len()), (100, 256));
        assert!(services.contains(&site::service(99)));
    }

    #[test]
    fn a_client_may_have_many_flows() {
        let traffic = Traffic {
            flows: 200,
            flows_per_client: 100,
            clients_before: 1,
            ..traffic()
        };
        let ends = ends(&traffic.frames().unwrap());
        let expected: Vec<_> = clients().skip(1).take(2).collect();
        assert!(ends[..100].iter().all(|(from, _)| *from == expected[0]));
        assert!(ends[100..].iter().all(|(from, _)| *from == expected[1]));
        assert_eq!(ends.iter().collect::<HashSet<_>>().len(), 200);
    }

    /// Source and destination of datagrams.
    fn ends(frames: &[Vec<u8>]) -> Vec<(SocketAddrV4, SocketAddrV4)> {
        let ends = |frame: &Vec<u8>| {
            let packet = SlicedPacket::from_ethernet(frame).unwrap();
            let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) =
                (packet.net, packet.transport)
            else {
                panic!("no datagram: {frame:?}");
            };
            let ip = ip.header();
            (
                SocketAddrV4::new(ip.source_addr(), udp.source_port()),
                SocketAddrV4::new(ip.destination_addr(), udp.destination_port()),
            )
        };
        frames.iter().map(ends).collect()
    }

    #[test]
    fn a_capture_has_a_bound() {
        let text = Traffic::new(65_537, 64).frames().unwrap_err().to_string();
        assert_eq!(text, "65537 flows: a capture holds 1 to 65536");
    }

    #[test]
    fn connections_begin_with_syn() {
        let traffic = Traffic {
            protocol: Protocol::Tcp,
            ..traffic()
        };
        let frames = traffic.frames().unwrap();
        assert_eq!(frames.len(), 256 * 32);
        for (frame, number) in frames.iter().zip(0..) {
            let packet = SlicedPacket::from_ethernet(frame).unwrap();
            let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
                panic!("not TCP");
            };
            assert_eq!((tcp.syn(), tcp.ack()), (number < 256, number >= 256));
        }
    }

    #[test]
    fn a_capture_holds_the_frames() {
        let file = tempfile::NamedTempFile::new().unwrap();
        traffic().write(file.path()).unwrap();
        let mut reader = Reader::new(File::open(file.path()).unwrap()).unwrap();
        let mut frame = Vec::new();
        for expected in traffic().frames().unwrap() {
            reader.next_frame(&mut frame).unwrap().unwrap();
            assert_eq!(frame, expected);
        }
        assert!(reader.next_frame(&mut frame).unwrap().is_none());
    }
}
