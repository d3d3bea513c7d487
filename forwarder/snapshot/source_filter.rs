//! Which clients a service takes.

use std::net::Ipv4Addr;

use prefix_trie::PrefixMap;

use super::Ip;

/// Which clients a service takes.
#[derive(Clone, Debug)]
pub struct SourceFilter<A: Ip = Ipv4Addr> {
    /// Whether who is in a prefix may come.
    prefixes: PrefixMap<A::Net, bool>,
    /// Whether those may who are in none.
    others: bool,
    /// Whether those are told who may not.
    pub answers: bool,
}

impl<A: Ip> SourceFilter<A> {
    /// Takes who is in one of `allow`, or anybody where there are none, but not who is in one of
    /// `deny`. Of the prefixes that a client is in, the longest counts.
    pub fn new(
        allow: impl IntoIterator<Item = A::Net>,
        deny: impl IntoIterator<Item = A::Net>,
        answers: bool,
    ) -> Self {
        let allow: PrefixMap<_, _> = allow.into_iter().map(|net| (net, true)).collect();
        let others = allow.is_empty();
        let mut prefixes = allow;
        for net in deny {
            prefixes.insert(net, false);
        }
        Self {
            prefixes,
            others,
            answers,
        }
    }

    /// False for a client that may not come.
    #[inline]
    pub fn takes(&self, client: A) -> bool {
        self.decides(client).1
    }

    /// The same, with the prefix that says so; none for who is in no prefix.
    pub fn decides(&self, client: A) -> (Option<A::Net>, bool) {
        match self.prefixes.get_lpm(&A::Net::from(client)) {
            Some((net, takes)) => (Some(net), *takes),
            None => (None, self.others),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use ipnet::{Ipv4Net, Ipv6Net};
    use proptest::prelude::*;

    use super::*;

    fn filter(allow: &[&str], deny: &[&str]) -> SourceFilter {
        let nets = |texts: &[&str]| -> Vec<Ipv4Net> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        SourceFilter::new(nets(allow), nets(deny), false)
    }

    #[test]
    fn the_longest_prefix_decides() {
        let filter = filter(
            &["10.0.0.0/8", "10.9.9.0/24"],
            &["10.9.0.0/16", "10.9.9.9/32"],
        );
        for (client, takes) in [
            ("10.1.2.3", true),
            ("10.9.2.3", false),
            ("10.9.9.3", true),
            ("10.9.9.9", false),
            ("11.0.0.1", false),
        ] {
            assert_eq!(filter.takes(client.parse().unwrap()), takes, "{client}");
        }
    }

    #[test]
    fn without_allowed_prefixes_the_others_may_come() {
        let filter = filter(&[], &["203.0.113.0/24"]);
        assert!(!filter.takes([203, 0, 113, 255].into()));
        assert!(filter.takes([203, 0, 114, 0].into()));
        assert!(!self::filter(&[], &["0.0.0.0/0"]).takes(Ipv4Addr::LOCALHOST));
    }

    proptest! {
        /// Against looking at each prefix.
        #[test]
        fn it_decides_as_all_prefixes_together(
            written in prop::collection::hash_map((0..64_u8, 120..=128_u8), any::<bool>(), 1..40),
            clients in prop::collection::vec(any::<u8>(), 64),
        ) {
            let nets: std::collections::HashMap<Ipv6Net, bool> = written
                .into_iter()
                .map(|((last, length), takes)| {
                    let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into());
                    (Ipv6Net::new(address, length).unwrap().trunc(), takes)
                })
                .collect();
            let of = |wanted| nets.iter().filter(move |(_, takes)| **takes == wanted);
            let filter = SourceFilter::<Ipv6Addr>::new(
                of(true).map(|(net, _)| *net),
                of(false).map(|(net, _)| *net),
                false,
            );
            for last in clients {
                let client = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into());
                let longest = nets
                    .iter()
                    .filter(|(net, _)| net.contains(&client))
                    .max_by_key(|(net, _)| net.prefix_len());
                let expected = longest.map_or(of(true).count() == 0, |(_, takes)| *takes);
                prop_assert_eq!(filter.takes(client), expected);
            }
        }
    }
}
