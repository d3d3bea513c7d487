#include "shim.h"

#include <rte_thash.h>

int shim_errno(void)
{
	return rte_errno;
}

struct rte_mbuf *shim_pktmbuf_alloc(struct rte_mempool *pool)
{
	return rte_pktmbuf_alloc(pool);
}

void shim_pktmbuf_free(struct rte_mbuf *mbuf)
{
	rte_pktmbuf_free(mbuf);
}

uint16_t shim_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	return rte_eth_rx_burst(port, queue, frames, count);
}

uint16_t shim_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, frames, count);
}

int shim_link(uint16_t port, uint32_t *speed, bool *up)
{
	struct rte_eth_link link;
	int result = rte_eth_link_get_nowait(port, &link);

	if (result != 0)
		return result;
	*speed = link.link_speed;
	*up = link.link_status == RTE_ETH_LINK_UP;
	return 0;
}

uint32_t shim_softrss(const uint32_t *words, uint32_t count, const uint8_t *key)
{
	/* DPDK only reads the words, its signature is older than const. */
	return rte_softrss((uint32_t *)(uintptr_t)words, count, key);
}
