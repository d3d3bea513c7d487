-- N flows of UDP, 64 octets: addresses and ports count up together, each within its range, so there
-- are as many flows as the least common multiple of how many each has: 102,300.

package.path = package.path .. ";?.lua"
local weir = require "weir"

weir.flows(weir.clients, {
    proto = "udp",
    octets = 64,
    src_ip = { "198.18.0.1", "198.18.0.100" },
    src_port = { 1024, 2046 },
    dst_ip = { "198.19.0.1", "198.19.0.1" },
    dst_port = { 53, 53 },
})
weir.send("0")
