"""The oracle's address plan.

    clients 10.1.0.2 … ── wan 10.1.0.0/24 ── .1 director .1 ── lan 10.2.0.0/24 ── servers .11 …
    192.0.2.0/24 ── .2 (a router)

The VIPs are 10.1.0.100 and .103 (NAT without and with another port), .101 (DR) and .102 (TUN).
Whoever has an address here has one of IPv6 as well: 10.1.0.2 is fd00:10:1::2 too, see six().
"""

import ipaddress

from lab.frames import packed_mac

WAN, LAN = 0, 1
PORTS = ["wan", "lan"]
DIP = ["10.1.0.1", "10.2.0.1"]
MAC = ["02:00:00:00:00:01", "02:00:00:00:00:02"]
MTU = 1500

CLIENTS = [f"10.1.0.{host}" for host in range(2, 6)]
CLIENT = CLIENTS[0]
# A host behind the first client, which is a router too.
FAR_CLIENT = "192.0.2.7"
FAR_NETWORK = "192.0.2.0/24"
SERVERS = [f"10.2.0.{host}" for host in range(11, 15)]
VIP = {
    "NAT": "10.1.0.100",
    "NAT mapped": "10.1.0.103",
    "DR": "10.1.0.101",
    "TUN": "10.1.0.102",
}



def six(address):
    """The IPv6 address of whoever has this IPv4 address, with the same digits."""
    a, b, c, d = address.split(".")
    return str(ipaddress.IPv6Address(f"fd00:{a}:{b}:{c}::{d}"))


CLIENT_MAC = {address: f"02:00:00:00:0c:{n:02x}" for n, address in enumerate(CLIENTS)}
SERVER_MAC = {address: f"02:00:00:00:05:{n:02x}" for n, address in enumerate(SERVERS)}
SERVER_OF_MAC = {packed_mac(mac): address for address, mac in SERVER_MAC.items()}
CLIENT_MAC |= {six(address): mac for address, mac in CLIENT_MAC.items()}
SERVER_MAC |= {six(address): mac for address, mac in SERVER_MAC.items()}
# A host that is nobody's neighbour.
STRANGER = "10.1.0.77"
STRANGER_MAC = "02:00:00:00:0c:77"
# Asks for ARP answers, to learn that everything before has been answered.
SYNC_MAC = ["02:ff:ff:ff:fe:00", "02:ff:ff:ff:fe:01"]
