"""N flows of UDP, 64 octets: addresses and ports count up together, 102,300 flows."""

from streams import VIP, Profile, stream

from trex_stl_lib.api import UDP

CLIENTS = ("src", ("198.18.0.1", "198.18.0.100"), (1024, 2046), "inc")


def register():
    """For TRex."""
    flows = lambda: stream(0, "198.18.0.1", VIP, UDP(sport=1024, dport=53), 64, clients=CLIENTS)
    return Profile([flows])
