"""Simple IMIX: of twelve datagrams seven have 64 octets, four 594 and one 1518."""

from streams import VIP, Profile, stream

from trex_stl_lib.api import UDP

CLIENTS = ("src", ("198.18.0.1", "198.18.0.100"), (1024, 2046), "inc")
SHARES = {64: 7, 594: 4, 1518: 1}


def register():
    """For TRex."""

    def of(octets, share):
        head = UDP(sport=1024, dport=53)
        return lambda: stream(0, "198.18.0.1", VIP, head, octets, clients=CLIENTS, pps=share)

    return Profile([of(octets, share) for octets, share in SHARES.items()])
