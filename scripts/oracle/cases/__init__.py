"""All that is compared."""

from oracle.cases import (
    director,
    errors,
    fragments,
    headers,
    icmp,
    persistence,
    random,
    schedulers,
    six,
    sizes,
    tcp,
    tunnels,
    udp,
)


def groups():
    """All groups of cases, in the order of playing."""
    modules = (
        *(tcp, udp, six, tunnels, headers, icmp, sizes, schedulers, persistence, director),
        fragments,
        # The guest remembers what errors tell it of MTUs.
        *(errors, random),
    )
    return [group for module in modules for group in module.groups()]
