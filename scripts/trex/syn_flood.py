"""A SYN flood: sources at random of 65,534 addresses with 64,512 ports each."""

from streams import VIP, Profile, stream

from trex_stl_lib.api import TCP

CLIENTS = ("src", ("198.18.0.1", "198.18.255.254"), (1024, 65535), "random")


def register():
    """For TRex."""
    syn = TCP(sport=1024, dport=80, flags="S")
    flood = lambda: stream(0, "198.18.0.1", VIP, syn, 64, clients=CLIENTS)
    return Profile([flood])
