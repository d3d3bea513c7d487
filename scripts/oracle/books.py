"""Compares what is remembered after a case: sessions, their states and times, and their counts."""

import re

from oracle.compare import Difference
from oracle.decode import decode

TOLERANCE_S = 2
CONNECTION = re.compile(r"(TCP|UDP)\s+(\d+):(\d+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)")
SERVICE = re.compile(r"(TCP|UDP)\s+(\S+) \S+")
BACKEND = re.compile(r"\s*->\s+(\S+)\s+\d+\s+(\d+)\s+(\d+)\s+(\d+)")
# The port of what IPVS keeps of a template whose server is gone, until its time is up.
PARKED = ":65535"


def compare_books(group, outcome):
    """What differs between what ipvsadm lists and weir, as [(case, difference)].

    Where cases share a service, the last one has it.
    """
    of_weir = (_remembered_by_weir(outcome), _counts_of_weir(outcome))
    last = {case.service.key: case for case in group.cases if case.service}
    found = []
    for case in last.values():
        given = [dict(decode(step.frame)) for step in case.steps]
        for field, ipvs, weir in [
            *_compare_remembered(case, last, outcome, of_weir[0]),
            *_compare_counts(case, of_weir[1]),
        ]:
            found.append((case, Difference(case, field, ipvs, weir, given)))
    for key in of_weir[0]:
        if _key_of(key, last) not in last:
            raise ValueError(f"weir remembers what is of no service: {key}")
    return found


def _key_of(remembered, known):
    """The service's key: its own port's, or that of all ports."""
    protocol, vip, *_ = remembered
    if (protocol, vip) in known:
        return (protocol, vip)
    return (protocol, f"{vip.rpartition(':')[0]}:0")


def _compare_remembered(case, known, outcome, of_weir):
    ipvs = _remembered_by_ipvs(case.memory.connections)
    # Both have aged since the case ended. The guest's clock may have lagged meanwhile.
    ipvs_age_s = case.memory.read_s - case.ended_s
    weir_age_s = (outcome.end_ns - case.ended_ns) / 1e9
    for one in sorted({*ipvs, *of_weir}):
        if _key_of(one, known) != case.service.key:
            continue
        left, right = ipvs.get(one), of_weir.get(one)
        if _alike(left, right, weir_age_s, ipvs_age_s):
            continue
        if not one[2].endswith(":0"):
            yield "session", _text(one, left), _text(one, right)
        elif left and right and _alike(left, (left[0], right[1]), weir_age_s, ipvs_age_s):
            yield "template's state", left[0], right[0]
        else:
            yield "template", _text(one, left), _text(one, right)


def _remembered_by_ipvs(connections):
    """{(protocol, VIP, client, RIP): (state, seconds left)} of sessions and of templates, whose
    clients have port 0."""
    found = {}
    for line in connections.splitlines():
        if match := CONNECTION.match(line):
            protocol, minutes, seconds, state, client, vip, rip = match.groups()
            if not (client.endswith(":0") and vip.endswith(PARKED)):
                found[protocol, vip, client, rip] = (state, int(minutes) * 60 + int(seconds))
    return found


def _remembered_by_weir(outcome):
    sessions = {
        (one["protocol"], one["virtual_address"], one["client"], one["backend"]): (
            one["state"],
            one["expires_ms"] / 1000,
        )
        for one in outcome.sessions
    }
    services = {one["name"]: one for one in outcome.services}
    for one in outcome.templates:
        service = services[one["service"]]
        client = f"[{one['client']}]" if ":" in one["client"] else one["client"]
        key = (service["protocol"], service["virtual_address"], f"{client}:0")
        sessions[*key, one["address"]] = (one["state"], one["expires_ms"] / 1000)
    return sessions


def _alike(ipvs, weir, weir_age_s, ipvs_age_s):
    if ipvs is None or weir is None:
        return ipvs is weir
    (ipvs_state, ipvs_s), (weir_state, weir_s) = ipvs, weir
    least, most = ipvs_s - TOLERANCE_S, ipvs_s + ipvs_age_s + TOLERANCE_S
    return ipvs_state == weir_state and least <= weir_s + weir_age_s <= most


def _text(key, session):
    return session and f"{' '.join(key)} {session[0]} {session[1]:.0f} s"


def _compare_counts(case, of_weir):
    ipvs, weir = _counts_of_ipvs(case), of_weir[case.service.key]
    for rip in sorted({*ipvs, *weir}):
        if ipvs.get(rip) != weir.get(rip):
            yield "counts", f"{rip} {ipvs.get(rip)}", f"{rip} {weir.get(rip)}"


def _counts_of_ipvs(case):
    """{RIP: (persistent, active, inactive)} of the case's service."""
    counts, service = {}, None
    for line in case.memory.counts.splitlines():
        if match := SERVICE.match(line):
            service = match.groups()
        elif service == case.service.key and (match := BACKEND.match(line)):
            rip, *numbers = match.groups()
            counts[rip] = tuple(map(int, numbers))
    return counts


def _counts_of_weir(outcome):
    return {
        (service["protocol"], service["virtual_address"]): {
            backend["address"]: tuple(backend[one] for one in ("persistent", "active", "inactive"))
            for backend in service["backends"]
        }
        for service in outcome.services
    }
