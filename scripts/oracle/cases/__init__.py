"""All that is compared."""

from oracle.cases import director, headers, icmp, pending, random, schedulers, sizes, tcp, udp


def groups():
    """All groups of cases, in the order of playing."""
    modules = (tcp, udp, headers, icmp, sizes, schedulers, director, pending, random)
    return [group for module in modules for group in module.groups()]
