-- NAT in both directions: datagrams of clients, and those that the service's one backend answers
-- with. 496 flows. The clients begin, so that all sessions are there when answers come.

package.path = package.path .. ";?.lua"
local weir = require "weir"

local clients = { "198.18.0.1", "198.18.0.16" }
local ports = { 1024, 1054 }
weir.flows(weir.clients, {
    proto = "udp", octets = 64,
    src_ip = clients, src_port = ports,
    dst_ip = { "198.19.0.2", "198.19.0.2" }, dst_port = { 53, 53 },
})
weir.flows(weir.backends, {
    proto = "udp", octets = 64,
    src_ip = { "10.1.1.9", "10.1.1.9" }, src_port = { 5353, 5353 },
    dst_ip = clients, dst_port = ports,
})
pktgen.set("0", "rate", weir.rate)
pktgen.start("0")
pktgen.delay(1000)
weir.send("all")
