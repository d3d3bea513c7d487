//! What is sent to a server of UDP, and which answers are good.

use std::fmt;

use crate::config::{problem::Problems, raw, value::optional};

/// A datagram and what its answer must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Udp {
    /// What is sent; may be empty.
    pub payload: Vec<u8>,
    /// What must come back. Where none is given, only an ICMP error is a failure.
    pub reply: Option<Reply>,
}

/// How an answer begins: each octet, or none where any will do. May be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply(Vec<Nibbles>);

/// The value and the mask of an octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Nibbles {
    value: u8,
    mask: u8,
}

/// What fits a packet of the usual size.
const MAX_OCTETS: usize = 1472;

impl Reply {
    /// True where `datagram` begins like this.
    pub fn fits(&self, datagram: &[u8]) -> bool {
        let same = |(nibbles, octet): (&Nibbles, &u8)| octet & nibbles.mask == nibbles.value;
        datagram.len() >= self.0.len() && self.0.iter().zip(datagram).all(same)
    }
}

/// As the configuration has it.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Nibbles { value, mask } in &self.0 {
            for (digit, known) in [(value >> 4, mask >> 4), (value & 0xf, mask & 0xf)] {
                match known {
                    0 => f.write_str("X")?,
                    _ => write!(f, "{digit:x}")?,
                }
            }
        }
        Ok(())
    }
}

impl Udp {
    pub(super) fn read<'a>(raw: &raw::Check<'a>, problems: &mut Problems<'a>) -> Option<Self> {
        let payload = match raw.payload {
            None => Some(Vec::new()),
            Some(written) => read_payload(written, problems),
        };
        let reply = optional(raw.reply, |written| read_reply(written, problems));
        Some(Self {
            payload: payload?,
            reply: reply?,
        })
    }
}

fn read_payload<'a>(written: raw::Text<'a>, problems: &mut Problems<'a>) -> Option<Vec<u8>> {
    let text = written.read("octets in quotes such as `\"70696e67\"`", problems)?;
    let nibbles = nibbles(&text).filter(|all| all.iter().all(|one| one.mask == 0xff));
    if let Some(all) = nibbles {
        return Some(all.iter().map(|one| one.value).collect());
    }
    let wrong = format!(
        "`payload` is at most {MAX_OCTETS} octets of two digits from 0 to f, which spaces may \
         part, not `{text}`"
    );
    problems.refuse(written.text(), wrong);
    None
}

fn read_reply<'a>(written: raw::Text<'a>, problems: &mut Problems<'a>) -> Option<Reply> {
    let text = written.read("octets in quotes such as `\"706f6eXX\"`", problems)?;
    let reply = nibbles(&text).map(Reply);
    if reply.is_none() {
        let wrong = format!(
            "`reply` is at most {MAX_OCTETS} octets of two digits from 0 to f or X for any, \
             which spaces may part, not `{text}`"
        );
        problems.refuse(written.text(), wrong);
    }
    reply
}

fn nibbles(text: &str) -> Option<Vec<Nibbles>> {
    let digits: Option<Vec<Nibbles>> = text
        .chars()
        .filter(|c| *c != ' ')
        .map(|c| match c {
            'x' | 'X' => Some(Nibbles { value: 0, mask: 0 }),
            _ => Some(Nibbles {
                value: u8::try_from(c.to_digit(16)?).ok()?,
                mask: 0xf,
            }),
        })
        .collect();
    let (pairs, []) = digits.as_deref()?.as_chunks::<2>() else {
        return None;
    };
    let octets = pairs.iter().map(|[high, low]| Nibbles {
        value: high.value << 4 | low.value,
        mask: high.mask << 4 | low.mask,
    });
    (pairs.len() <= MAX_OCTETS).then(|| octets.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_fits_by_its_beginning() {
        let reply = Reply(nibbles("70 6X XX").unwrap());
        assert!(reply.fits(b"pon"));
        assert!(reply.fits(b"pong!"));
        assert!(!reply.fits(b"po"));
        assert!(!reply.fits(b"pun"));
        assert!(Reply(Vec::new()).fits(b""));
    }
}
