"""Conversations that nobody thought of, from a fixed seed."""

import itertools
import random

from oracle import plan
from oracle.play import Case, Group
from oracle.services import MODES, PROTOCOLS, Service

SEED = 20
CONVERSATIONS = 20
STEPS = 8
# Without those whose known differences would change all that follows.
FLAGS = ["S", "A", "PA", "FA", "F", "R", "RA", "SF"]


def groups():
    """One group: conversations of TCP and of UDP in every mode."""
    dice = random.Random(SEED)
    cases = [
        Case(
            f"{protocol} conversation {number}",
            *("random conversation", "both", Service(mode, protocol)),
            _conversation(dice.getrandbits(32)),
        )
        for mode, protocol in itertools.product(MODES, PROTOCOLS)
        for number in range(CONVERSATIONS)
    ]
    return [Group("random", cases)]


def _conversation(seed):
    def script(play):
        dice = random.Random(seed)
        talk = play.talk(dice.choice([*plan.CLIENTS, plan.FAR_CLIENT]))
        signs = [sign for _, sign in talk.service.ways]
        for step in range(STEPS):
            # A connection that no SYN begins would end at once.
            sign, flags = (">", "S") if step == 0 else (dice.choice(signs), dice.choice(FLAGS))
            fields = {
                "tos": dice.getrandbits(8),
                "identification": dice.getrandbits(16),
                "ttl": dice.randrange(2, 256),
                "df": dice.random() < 0.7,
                "l4_error": dice.choice([0, 0, dice.randrange(1, 0xFFFF)]),
            }
            payload = dice.randbytes(dice.randrange(200))
            if talk.service.protocol == "udp":
                talk.udp(sign, payload, **fields)
            else:
                fields["sequence"] = dice.getrandbits(32)
                fields["acknowledgement"] = dice.getrandbits(32)
                # The end of options, as often as there is room.
                fields["tcp_options"] = bytes(dice.choice([0, 4, 12]))
                talk.tcp(sign + flags, payload, **fields)

    return script
