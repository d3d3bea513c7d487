//! The options of an IPv4 header (RFC 791 section 3.1).

use super::{LEN, header_octets};

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;

/// True if the header with which `octets` begin may be acted upon: every option ends within the
/// header, and none lets the sender choose the route, by which it would choose who is trusted on
/// the way (RFC 7126 sections 4.3 and 4.4). Options are not looked at further.
#[inline]
pub fn options_ok(octets: &[u8]) -> bool {
    let header = octets
        .first()
        .and_then(|version_ihl| octets.get(..header_octets(*version_ihl)));
    match header.and_then(|header| header.get(LEN..)) {
        Some([]) => true,
        Some(options) => each_ok(options),
        None => false,
    }
}

fn each_ok(mut options: &[u8]) -> bool {
    loop {
        options = match *options {
            [] | [END, ..] => return true,
            [NO_OPERATION, ref rest @ ..] => rest,
            [LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, ..] => return false,
            // The length counts the kind and itself.
            [_, length, ..] if length >= 2 => match options.get(usize::from(length)..) {
                Some(rest) => rest,
                None => return false,
            },
            [_, ..] => return false,
        };
    }
}

/// Puts no-operations in place of the options that only a datagram's first fragment has (RFC 791
/// section 3.1), in the octets behind the header.
pub fn blank_uncopied(options: &mut [u8]) {
    const COPIED: u8 = 0x80;
    let mut rest = options;
    while let Some(kind) = rest.first().copied() {
        let length = match kind {
            END => return,
            NO_OPERATION => 1,
            _ => usize::from(rest.get(1).copied().unwrap_or(0)).max(1),
        };
        let Some((option, behind)) = rest.split_at_mut_checked(length) else {
            return;
        };
        if kind & COPIED == 0 {
            option.fill(NO_OPERATION);
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(options: &[u8]) -> bool {
        let words = 5 + u8::try_from(options.len() / 4).unwrap();
        options_ok(&[&[0x40 | words][..], &[0; 19], options, &[0xff; 8]].concat())
    }

    #[test]
    fn whole_options_pass() {
        let longest = [&[7, 39, 4][..], &[0; 37]].concat();
        let records = [7, 7, 4, 0, 0, 0, 0, 0];
        for options in [
            &[][..],
            &[1; 4],
            &[0; 40],
            &records,
            &longest,
            &[1, 1, 94, 2],
        ] {
            assert!(ok(options), "{options:?}");
        }
    }

    #[test]
    fn options_beyond_the_header_or_without_a_length_do_not() {
        for options in [
            [7, 5, 0, 0],
            [1, 1, 1, 7],
            [7, 0, 0, 0],
            [7, 1, 0, 0],
            [1, 7, 4, 0],
        ] {
            assert!(!ok(&options), "{options:?}");
        }
    }

    #[test]
    fn what_follows_the_end_is_no_option() {
        assert!(ok(&[1, 0, 131, 7]));
    }

    #[test]
    fn source_routes_do_not() {
        for kind in [131, 137] {
            assert!(!ok(&[kind, 7, 4, 10, 2, 0, 99, 0]));
            assert!(!ok(&[1, 7, 3, 4, kind, 3, 4, 0]));
        }
    }

    #[test]
    fn later_fragments_have_the_options_that_are_copied_alone() {
        let blanked = |mut options: [u8; 8]| {
            blank_uncopied(&mut options);
            options
        };
        let alert = [148, 4, 0, 0];
        let [a, b, c, d] = alert;
        assert_eq!(blanked([1, 7, 3, 4, a, b, c, d]), [1, 1, 1, 1, a, b, c, d]);
        assert_eq!(blanked([a, b, c, d, 7, 4, 5, 6]), [a, b, c, d, 1, 1, 1, 1]);
        // What follows the end, goes on beyond the header or has no length is no option.
        for whole in [[0, 1, 7, 3, 4, 0, 0, 0], [a, 9, 7, 3, 4, 0, 0, 0]] {
            assert_eq!(blanked(whole), whole);
        }
        assert_eq!(blanked([7, 0, 0, 7, 3, 4, 0, 0]), [1, 0, 0, 7, 3, 4, 0, 0]);
    }

    #[test]
    fn a_header_that_is_not_whole_does_not() {
        assert!(!options_ok(&[]));
        assert!(!options_ok(&[0x46; 23]));
        assert!(!options_ok(&[0x44; 23]));
    }
}
