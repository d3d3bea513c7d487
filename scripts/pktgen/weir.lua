-- What the scripts beside this file have in common.

package.path = package.path .. ";?.lua"
require "Pktgen"

local weir = {}

-- Seconds that packets are sent, and per cent of the port's speed.
weir.seconds = tonumber(os.getenv("SECONDS_SENT") or "5")
weir.rate = tonumber(os.getenv("RATE_PERCENT") or "0.1")

-- Pktgen's ports, with their MACs and those of weir's ports at the other ends.
weir.clients = { port = "0", mac = "02:00:00:00:ff:01", to = "02:00:00:00:00:01" }
weir.backends = { port = "1", mac = "02:00:00:00:ff:02", to = "02:00:00:00:00:02" }

local function range(set, port, first, last, step)
    set(port, "start", first)
    set(port, "min", first)
    set(port, "max", last)
    set(port, "inc", step)
end

-- Packets from a range of addresses and ports to another; `flow` has for each of src_ip, dst_ip,
-- src_port and dst_port the first and the last, and its protocol and the octets of a packet.
function weir.flows(side, flow)
    local port = side.port
    pktgen.range.src_mac(port, "start", side.mac)
    pktgen.range.dst_mac(port, "start", side.to)
    for _, end_of in ipairs({ "src_ip", "dst_ip", "src_port", "dst_port" }) do
        local first, last = flow[end_of][1], flow[end_of][2]
        local step = first == last and 0 or 1
        if end_of:sub(-2) == "ip" then step = "0.0.0." .. step end
        range(pktgen.range[end_of], port, first, last, step)
    end
    pktgen.range.ip_proto(port, flow.proto)
    range(pktgen.range.pkt_size, port, flow.octets, flow.octets, 0)
    pktgen.set_range(port, "on")
end

-- Sends from these ports for as long as was asked for, and ends.
function weir.send(ports)
    pktgen.set(ports, "rate", weir.rate)
    pktgen.start(ports)
    pktgen.delay(weir.seconds * 1000)
    pktgen.stop(ports)
    weir.report()
end

-- Writes down what was sent and received, and ends Pktgen.
function weir.report()
    -- What is on its way arrives.
    pktgen.delay(1000)
    local stats = pktgen.portStats("all", "port")
    local out = assert(io.open("sent", "w"))
    for port = 0, 1 do
        local count = stats[port]
        out:write(string.format("Pktgen port %d sent %d packets and received %d\n", port,
            count.opackets, count.ipackets))
    end
    out:close()
    pktgen.quit()
end

return weir
