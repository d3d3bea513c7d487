/* What Rust cannot call or read in DPDK's headers: static inlines, thread-local variables,
 * bit fields, and macros that are not plain numbers. */
#ifndef WEIR_SHIM_H
#define WEIR_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

/* rte_errno of the calling thread. */
int shim_errno(void);

struct rte_mbuf *shim_pktmbuf_alloc(struct rte_mempool *pool);

/* Frees all segments. */
void shim_pktmbuf_free(struct rte_mbuf *mbuf);

uint16_t shim_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **frames, uint16_t count);
uint16_t shim_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **frames, uint16_t count);

/* Speed in Mb/s, UINT32_MAX where the driver does not know it; does not wait for the link. */
int shim_link(uint16_t port, uint32_t *speed, bool *up);

/* Toeplitz hash of words in the order of the processor. */
uint32_t shim_softrss(const uint32_t *words, uint32_t count, const uint8_t *key);

static const uint64_t SHIM_RSS_IPV4 = RTE_ETH_RSS_IPV4;
static const uint64_t SHIM_RSS_TCP = RTE_ETH_RSS_NONFRAG_IPV4_TCP;
static const uint64_t SHIM_RSS_UDP = RTE_ETH_RSS_NONFRAG_IPV4_UDP;
static const uint64_t SHIM_RSS_L3_SRC_ONLY = RTE_ETH_RSS_L3_SRC_ONLY;
static const uint64_t SHIM_RSS_L3_DST_ONLY = RTE_ETH_RSS_L3_DST_ONLY;
static const uint64_t SHIM_RSS_L4_SRC_ONLY = RTE_ETH_RSS_L4_SRC_ONLY;
static const uint64_t SHIM_RSS_L4_DST_ONLY = RTE_ETH_RSS_L4_DST_ONLY;
static const uint64_t SHIM_RX_SCATTER = RTE_ETH_RX_OFFLOAD_SCATTER;
static const uint64_t SHIM_TX_MULTI_SEGS = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
static const uint64_t SHIM_MBUF_VLAN_STRIPPED = RTE_MBUF_F_RX_VLAN_STRIPPED;
static const uint32_t SHIM_MQ_RX_RSS = RTE_ETH_MQ_RX_RSS;
static const uint16_t SHIM_HEADROOM = RTE_PKTMBUF_HEADROOM;

/* Where the fields that src/mbuf.rs mirrors lie in truth. */
enum {
	SHIM_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr),
	SHIM_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off),
	SHIM_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs),
	SHIM_MBUF_POOL = offsetof(struct rte_mbuf, pool),
	SHIM_MBUF_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags),
	SHIM_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len),
	SHIM_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len),
	SHIM_MBUF_VLAN_TCI = offsetof(struct rte_mbuf, vlan_tci),
	SHIM_MBUF_BUF_LEN = offsetof(struct rte_mbuf, buf_len),
	SHIM_MBUF_NEXT = offsetof(struct rte_mbuf, next),
};

#endif
