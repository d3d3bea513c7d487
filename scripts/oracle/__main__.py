"""`python3 -m oracle`, `python3 -m oracle play GROUP …`, `python3 -m oracle differences`."""

import signal
import sys

from oracle import differences
from oracle.guest import GuestError
from oracle.replay import ReplayError
from oracle.run import compare


def main(words):
    """Does what the words ask for; returns the exit code."""
    match words:
        case []:
            return compare()
        case ["play", *names] if names:
            return compare(names)
        case ["differences"]:
            print(differences.page(), end="")
            return 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    # What is in use is cleared away however this ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.exit(main(sys.argv[1:]))
    except (GuestError, ReplayError) as error:
        print(f"oracle: {error}", file=sys.stderr)
        sys.exit(1)
