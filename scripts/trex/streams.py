"""What the stateless profiles beside this file have in common. The director is weir.ron in
scripts/pktgen."""

from trex_stl_lib.api import (
    IP,
    CTRexVmInsFixHwCs,
    Ether,
    STLPktBuilder,
    STLStream,
    STLTXCont,
    STLVM,
)

# TRex's ports are the clients' router and all backends, with the MACs that weir.ron knows them by;
# weir's ports are at the other ends.
MACS = ["02:00:00:00:ff:01", "02:00:00:00:ff:02"]
WEIR = ["02:00:00:00:00:01", "02:00:00:00:00:02"]
VIP = "198.19.0.1"
CHECK_SEQUENCE = 4
L4_TYPES = {"UDP": CTRexVmInsFixHwCs.L4_TYPE_UDP, "TCP": CTRexVmInsFixHwCs.L4_TYPE_TCP}


def stream(port, source, destination, layer, octets, *, clients, pps=1.0):
    """Packets from one of TRex's ports, of so many octets with their check sequence.

    `clients` are the side that clients are at, "src" or "dst", the first and the last of their
    addresses, the first and the last of their ports, and how both are counted.
    """
    side, addresses, ports, op = clients
    vm = STLVM()
    vm.var(name="address", min_value=addresses[0], max_value=addresses[1], size=4, op=op)
    vm.var(name="port", min_value=ports[0], max_value=ports[1], size=2, op=op)
    vm.write(fv_name="address", pkt_offset=f"IP.{side}")
    vm.write(fv_name="port", pkt_offset=f"{layer.name}.{'sport' if side == 'src' else 'dport'}")
    vm.fix_chksum_hw(l3_offset="IP", l4_offset=layer.name, l4_type=L4_TYPES[layer.name])
    packet = Ether(src=MACS[port], dst=WEIR[port]) / IP(src=source, dst=destination) / layer
    padding = b"x" * max(0, octets - CHECK_SEQUENCE - len(packet))
    return STLStream(packet=STLPktBuilder(pkt=packet / padding, vm=vm), mode=STLTXCont(pps=pps))


class Profile:
    """Streams of each of TRex's ports; an even port is the clients', an odd one the backends'."""

    def __init__(self, clients, backends=()):
        self._streams = [clients, backends]

    def get_streams(self, direction=0, **_):
        """What TRex asks for; `direction` is the port's."""
        return [make() for make in self._streams[direction % 2]]
