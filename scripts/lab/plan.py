"""The lab's address plan.

        wan 10.9.0.0/24                          lan 10.10.0.0/24
    client   .2 ──┐                          ┌── nat1 .11  nat2 .12   (gateway: the director)
                  ├── director .1 ── .1 ─────┼── dr1  .21  dr2  .22   (gateway: the router)
                  └── router .254 ── .254 ───┼── tun1 .31  tun2 .32   (gateway: the router)
                                             ├── full1 .41 full2 .42  (gateway: the router)
                                             └── inside 10.11.0.2     (a client on the lan)

For SNAT there is outside, 10.9.0.3, a server on the wan, and behind it far, 10.12.0.2. Those see
servers of the lan as 10.9.0.50.

The VIPs on the wan are 10.9.0.100 (NAT), .101 (DR), .102 (TUN) and .103 (FULLNAT, whose servers
see the LIPs 10.10.0.201 and .202); 10.11.0.100 is the one for the client on the lan, where weir
has one port only. Each mode has its real servers web1 and web2. The director's addresses are
weir's: its kernel has none and drops what arrives, for weir sees each frame before that. Replies
of DR and TUN go by the router. The TUN servers are user-mode Linux, because the kernel of the
machine may have no ipip.

Whoever has an address here has one of IPv6 as well: 10.9.0.2 is fd00:9::2 too, see six().
"""

import ipaddress

CLIENT = "10.9.0.2"
WAN_DIP = "10.9.0.1"
WAN_ROUTER = "10.9.0.254"
LAN_NETWORK = "10.10.0.0/24"
LAN_NETWORK_SIX = "fd00:10::/64"
LAN_DIP = "10.10.0.1"
LAN_ROUTER = "10.10.0.254"
OUTSIDE = "10.9.0.3"
FAR_NETWORK = "10.12.0.0/24"
FAR_ROUTER = "10.12.0.1"
FAR = "10.12.0.2"
PUBLIC = "10.9.0.50"
INSIDE = "10.11.0.2"
INSIDE_DIP = "10.11.0.1"
VIP = {
    "nat": "10.9.0.100",
    "dr": "10.9.0.101",
    "tun": "10.9.0.102",
    "fullnat": "10.9.0.103",
}
INSIDE_VIP = "10.11.0.100"
RIPS = {
    "nat": ["10.10.0.11", "10.10.0.12"],
    "dr": ["10.10.0.21", "10.10.0.22"],
    "tun": ["10.10.0.31", "10.10.0.32"],
    "fullnat": ["10.10.0.41", "10.10.0.42"],
}
LIPS = ["10.10.0.201", "10.10.0.202"]
MODES = list(VIP)
# The modes whose replies pass the director, and how the configuration writes each mode.
THROUGH = ["nat", "fullnat"]
FORWARD = {"nat": "Nat", "dr": "Dr", "tun": "Tun", "fullnat": "FullNat"}
NAMES = ["web1", "web2"]
# NAT and FULLNAT translate the port as well; every nginx listens on both.
HTTP_PORT = {"nat": 8080, "dr": 80, "tun": 80, "fullnat": 8080}
ECHO_PORT = 7


def six(address):
    """The IPv6 address of whoever has this IPv4 address, with the same digits."""
    _, network, _, host = address.split(".")
    return f"fd00:{network}::{host}"


def family_of(address):
    """4 or 6."""
    return ipaddress.ip_address(address).version


def host_of(address):
    """The address as it stands before a port and in a URL."""
    return f"[{address}]" if family_of(address) == 6 else address


def mac_of(address):
    """The MAC of the interface that has this address."""
    return "02:00:" + ":".join(f"{octet:02x}" for octet in ipaddress.IPv4Address(address).packed)
