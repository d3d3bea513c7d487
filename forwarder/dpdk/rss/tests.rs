use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::{Far, Offer, Rss, RssSpec, choose, key, spread_fields, table};
use crate::{snapshot::Toeplitz, wire::Endpoint};

const BOTH: u64 = dpdk_sys::SHIM_RSS_IPV4 | dpdk_sys::SHIM_RSS_TCP | dpdk_sys::SHIM_RSS_UDP;

/// DPDK's own software Toeplitz hash.
fn softrss(words: &[u32], key: &[u8]) -> u32 {
    let aligned: Vec<u32> = key
        .chunks_exact(4)
        .map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]))
        .collect();
    let count = u32::try_from(words.len()).unwrap();
    // The function reads one word of the key more than there are words of input.
    assert!(aligned.len() > words.len());
    // SAFETY: `words` has `count` words and the key, aligned to words, more than that.
    unsafe { dpdk_sys::shim_softrss(words.as_ptr(), count, aligned.as_ptr().cast()) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// What a NIC computes over the source alone, or the destination alone, is the slot.
    #[test]
    fn slots_are_dpdks_hash(seed: u16, address: u32, port: u16) {
        let toeplitz = Toeplitz::new(seed);
        let key = key(&toeplitz, 40);
        let slot = toeplitz.slot(Endpoint::new(Ipv4Addr::from(address), port));
        let upper = u32::from(port) << 16;
        let lower = u32::from(port);
        // Source and destination address, then both ports, in one word each.
        for words in [
            vec![address, 0, upper],
            vec![0, address, lower],
            // Input sets that leave the other end out instead of zeroing it.
            vec![address, upper],
        ] {
            prop_assert_eq!(softrss(&words, &key) & 0xff, u32::from(slot));
        }
    }

    /// One flow's two directions meet at the worker of the client's slot.
    #[test]
    fn both_directions_agree(
        seed: u16, client: u32, client_port: u16, other: u32, other_port: u16,
    ) {
        let key = key(&Toeplitz::new(seed), 52);
        let there = softrss(&[client, 0, u32::from(client_port) << 16], &key);
        let back = softrss(&[0, client, u32::from(client_port)], &key);
        prop_assert_eq!(there & 0xff, back & 0xff);
        // Hashed over both ends the hash is another, unless by chance.
        let whole = [client, other, u32::from(client_port) << 16 | u32::from(other_port)];
        let rest = softrss(&[0, other, u32::from(other_port)], &key);
        prop_assert_eq!(softrss(&whole, &key), there ^ rest);
    }
}

fn wish(workers: u16) -> RssSpec {
    RssSpec {
        far: Far::Source,
        toeplitz: Toeplitz::new(1),
        owners: owners(workers),
    }
}

/// Slot modulo `workers`.
fn owners(workers: u16) -> [u16; 256] {
    std::array::from_fn(|slot| u16::try_from(slot).unwrap() % workers)
}

fn offer(fields: u64, queues: u16, table: u16) -> Offer {
    Offer {
        fields,
        queues,
        table,
    }
}

#[test]
fn the_table_names_the_worker_of_each_slot() {
    let owners = owners(3);
    for size in [64, 128, 256, 512] {
        let table = table(&owners, size);
        assert_eq!(table.len(), usize::from(size));
        for (entry, worker) in table.iter().enumerate() {
            assert_eq!(*worker, owners[entry & 255], "entry {entry} of {size}");
        }
    }
}

#[test]
fn a_key_has_the_length_of_the_device_and_period_16() {
    let toeplitz = Toeplitz::new(0x6d5a);
    assert_eq!(key(&toeplitz, 0), [0x6d, 0x5a].repeat(20));
    assert_eq!(key(&toeplitz, 52), [0x6d, 0x5a].repeat(26));
}

#[test]
fn only_devices_that_hash_one_end_alone_give_owners() {
    let all = BOTH | Far::Source.fields();
    let wish = wish(4);
    let chosen = |fields, queues, table| choose(Some(&wish), offer(fields, queues, table));
    assert_eq!(chosen(all, 4, 512), Rss::Owners { exact: true });
    assert_eq!(chosen(all, 4, 128), Rss::Owners { exact: true });
    // The other end alone does not help.
    assert_eq!(chosen(Far::Destination.fields(), 4, 512), Rss::Spread);
    assert_eq!(chosen(BOTH, 4, 512), Rss::Spread);
    // A worker without a queue cannot own, nor can a table be indexed that is not there.
    assert_eq!(chosen(all, 3, 512), Rss::Spread);
    assert_eq!(chosen(all, 4, 0), Rss::Spread);
    assert_eq!(chosen(0, 4, 512), Rss::Off);
    assert_eq!(chosen(all, 1, 512), Rss::Off);
    assert_eq!(choose(None, offer(all, 4, 512)), Rss::Off);
    assert_eq!(spread_fields(u64::MAX), BOTH);
}

#[test]
fn a_table_smaller_than_the_slots_is_exact_only_where_they_repeat() {
    let all = BOTH | Far::Source.fields();
    let chosen = |workers, table| choose(Some(&wish(workers)), offer(all, workers, table));
    assert_eq!(chosen(3, 64), Rss::Owners { exact: false });
    assert_eq!(chosen(3, 256), Rss::Owners { exact: true });
    assert_eq!(chosen(2, 64), Rss::Owners { exact: true });
}
