-- A SYN flood: each packet from the next of 65,534 addresses and the next of 64,511 ports, so that
-- none comes twice within 4 billion packets.

package.path = package.path .. ";?.lua"
local weir = require "weir"

weir.flows(weir.clients, {
    proto = "tcp",
    octets = 64,
    src_ip = { "198.18.0.1", "198.18.255.254" },
    src_port = { 1024, 65535 },
    dst_ip = { "198.19.0.1", "198.19.0.1" },
    dst_port = { 80, 80 },
})
-- Flags are set by commands alone.
pktgen.load("syn.pkt")
weir.send("0")
