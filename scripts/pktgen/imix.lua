-- Simple IMIX, in slices: of twelve datagrams seven have 64 octets, four 594 and one 1518. Not one
-- after the other: of Pktgen 23.06's sequences only one packet had the MACs that it was given.

package.path = package.path .. ";?.lua"
local weir = require "weir"

local slices = { { 64, 7 }, { 594, 4 }, { 1518, 1 } }
local packets_a_part = 512
local port = weir.clients.port

pktgen.set(port, "rate", weir.rate)
for _ = 1, weir.seconds do
    for _, slice in ipairs(slices) do
        local octets, parts = slice[1], slice[2]
        weir.flows(weir.clients, {
            proto = "udp",
            octets = octets,
            src_ip = { "198.18.0.1", "198.18.0.100" },
            src_port = { 1024, 1034 },
            dst_ip = { "198.19.0.1", "198.19.0.1" },
            dst_port = { 53, 53 },
        })
        pktgen.set(port, "count", parts * packets_a_part)
        pktgen.start(port)
        while pktgen.isSending(port)[tonumber(port)] == "y" do
            pktgen.delay(10)
        end
    end
end
weir.report()
