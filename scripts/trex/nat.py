"""NAT in both directions: datagrams of clients, and what the service's one backend answers.

Answers to clients that have not begun are dropped: start TRex's first port before its second.
"""

from streams import Profile, stream

from trex_stl_lib.api import UDP

VIP, RIP, CLIENT = "198.19.0.2", "10.1.1.9", "198.18.0.1"
RANGE = (("198.18.0.1", "198.18.0.16"), (1024, 1054), "inc")


def register():
    """For TRex."""
    asked = UDP(sport=1024, dport=53)
    answered = UDP(sport=5353, dport=1024)
    return Profile(
        [lambda: stream(0, CLIENT, VIP, asked, 64, clients=("src", *RANGE))],
        [lambda: stream(1, RIP, CLIENT, answered, 64, clients=("dst", *RANGE))],
    )
