//! How a QUIC connection is known when its client's address has changed (RFC 9000, section 9).

use rustc_hash::FxHashMap;

use crate::wire::quic::{ConnectionId, MAX_ID_OCTETS, parse};

/// Room for any connection ID.
type Id = [u8; MAX_ID_OCTETS as usize];

/// Which octets of the connection IDs tell where a connection belongs.
///
/// Either servers write their own IDs there, as QUIC-LB's plaintext method has it
/// (draft-ietf-quic-load-balancers), or they write there what the client had there in its first
/// connection ID, which is then hashed.
#[derive(Clone, Debug)]
pub struct Quic {
    offset: usize,
    octets: usize,
    /// The servers by their IDs, filled up with zeros; none where the octets are hashed.
    servers: FxHashMap<Id, u16>,
}

/// What a connection ID tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// The backend at this place of the service has it.
    Server(usize),
    /// These octets stand for it.
    Hash(&'a [u8]),
}

impl Quic {
    /// The `octets` octets from `offset` on; `servers` are the IDs of backends, with their places
    /// in the service.
    pub fn new<'s>(
        offset: u8,
        octets: u8,
        servers: impl IntoIterator<Item = (&'s [u8], u16)>,
    ) -> Self {
        let servers = servers.into_iter();
        Self {
            offset: offset.into(),
            octets: octets.into(),
            servers: servers.map(|(id, place)| (filled_up(id), place)).collect(),
        }
    }

    /// What a datagram tells. None where it is not long enough, or where the server is to tell by
    /// its ID: when nobody has this one, and in long headers, for those of a connection's first
    /// packets are the client's own.
    #[inline]
    pub fn read<'d>(&self, datagram: &'d [u8]) -> Option<Told<'d>> {
        let (id, by_server) = match parse(datagram).ok()? {
            ConnectionId::Long(id) => (id, false),
            ConnectionId::Short(id) => (id, true),
        };
        let told = id.get(self.offset..)?.get(..self.octets)?;
        if self.servers.is_empty() {
            return Some(Told::Hash(told));
        }
        let server = self.servers.get(&filled_up(told)).filter(|_| by_server)?;
        Some(Told::Server(usize::from(*server)))
    }
}

/// An ID with zeros behind; what is too long is cut.
fn filled_up(id: &[u8]) -> Id {
    let mut filled = Id::default();
    for (to, from) in filled.iter_mut().zip(id) {
        *to = *from;
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A long header with an ID of eight octets.
    const LONG: &[u8] = b"\xc0\x00\x00\x00\x01\x08\x11AB\x14\x15\x16\x17\x18\x00rest";
    /// A short header with the same ID.
    const SHORT: &[u8] = b"\x40\x11AB\x14\x15\x16\x17\x18rest";

    #[test]
    fn servers_are_told_by_short_headers_alone() {
        let servers = [(&b"AB"[..], 3), (b"AC", 4)];
        let quic = Quic::new(1, 2, servers);
        assert_eq!(quic.read(SHORT), Some(Told::Server(3)));
        assert_eq!(quic.read(b"\x40\x11AC"), Some(Told::Server(4)));
        assert_eq!(quic.read(b"\x40\x11AD"), None, "nobody's");
        assert_eq!(quic.read(LONG), None, "perhaps the client's own");
        assert_eq!(quic.read(b"\x40\x11A"), None, "too short");
        assert_eq!(quic.read(b""), None);
    }

    #[test]
    fn without_servers_all_headers_are_hashed() {
        let quic = Quic::new(1, 2, []);
        assert_eq!(quic.read(SHORT), Some(Told::Hash(b"AB")));
        assert_eq!(quic.read(LONG), Some(Told::Hash(b"AB")));
        let quic = Quic::new(6, 3, []);
        assert_eq!(quic.read(LONG), None, "beyond the end of the ID");
    }
}
