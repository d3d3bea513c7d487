"""Compares what is remembered after a case: sessions, their states and times, and their counts."""

import re

from oracle.compare import Difference
from oracle.decode import decode

TOLERANCE_S = 2
CONNECTION = re.compile(r"(TCP|UDP)\s+(\d+):(\d+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)")
SERVICE = re.compile(r"(TCP|UDP)\s+(\S+) \S+")
BACKEND = re.compile(r"\s*->\s+(\S+)\s+\S+\s+\d+\s+(\d+)\s+(\d+)")


def compare_books(group, outcome):
    """What differs between `ipvsadm -Lnc`, `ipvsadm -Ln` and weir, as [(case, difference)].

    Where cases share a service, the last one has it.
    """
    of_weir = (_sessions_of_weir(outcome), _counts_of_weir(outcome))
    last = {case.service: case for case in group.cases if case.service}
    found = []
    for case in last.values():
        given = [dict(decode(step.frame)) for step in case.steps]
        for field, ipvs, weir in [
            *_compare_sessions(case, outcome, of_weir[0]),
            *_compare_counts(case, of_weir[1]),
        ]:
            found.append((case, Difference(case, field, ipvs, weir, given)))
    known = {_service_key(service) for service in last}
    for key in of_weir[0].keys() - {key for key in of_weir[0] if key[:2] in known}:
        raise ValueError(f"weir has a session of no service: {key}")
    return found


def _service_key(service):
    """(protocol, VIP and port), as both print them."""
    return (service.protocol.upper(), "{}:{}".format(*service.vip))


def _compare_sessions(case, outcome, of_weir):
    key = _service_key(case.service)
    ipvs = _sessions_of_ipvs(case.memory.connections)
    # Both have aged since the case ended. The guest's clock may have lagged meanwhile.
    ipvs_age_s = case.memory.read_s - case.ended_s
    weir_age_s = (outcome.end_ns - case.ended_ns) / 1e9
    for session in sorted({*ipvs, *of_weir}):
        if session[:2] != key:
            continue
        left, right = ipvs.get(session), of_weir.get(session)
        if not _alike(left, right, weir_age_s, ipvs_age_s):
            yield "session", _text(session, left), _text(session, right)


def _sessions_of_ipvs(connections):
    """{(protocol, VIP, client, RIP): (state, seconds left)}."""
    found = {}
    for line in connections.splitlines():
        if match := CONNECTION.match(line):
            protocol, minutes, seconds, state, client, vip, rip = match.groups()
            found[protocol, vip, client, rip] = (state, int(minutes) * 60 + int(seconds))
    return found


def _sessions_of_weir(outcome):
    return {
        (one["protocol"], one["virtual_address"], one["client"], one["backend"]): (
            one["state"],
            one["expires_ms"] / 1000,
        )
        for one in outcome.sessions
    }


def _alike(ipvs, weir, weir_age_s, ipvs_age_s):
    if ipvs is None or weir is None:
        return ipvs is weir
    (ipvs_state, ipvs_s), (weir_state, weir_s) = ipvs, weir
    least, most = ipvs_s - TOLERANCE_S, ipvs_s + ipvs_age_s + TOLERANCE_S
    return ipvs_state == weir_state and least <= weir_s + weir_age_s <= most


def _text(key, session):
    return session and f"{' '.join(key)} {session[0]} {session[1]:.0f} s"


def _compare_counts(case, of_weir):
    ipvs, weir = _counts_of_ipvs(case), of_weir[_service_key(case.service)]
    for rip in sorted({*ipvs, *weir}):
        if ipvs.get(rip) != weir.get(rip):
            yield "counts", f"{rip} {ipvs.get(rip)}", f"{rip} {weir.get(rip)}"


def _counts_of_ipvs(case):
    """{RIP: (active, inactive)} of the case's service."""
    counts, service = {}, None
    for line in case.memory.counts.splitlines():
        if match := SERVICE.match(line):
            service = match.groups()
        elif service == _service_key(case.service) and (match := BACKEND.match(line)):
            rip, active, inactive = match.groups()
            counts[rip] = (int(active), int(inactive))
    return counts


def _counts_of_weir(outcome):
    return {
        (service["protocol"], service["virtual_address"]): {
            backend["address"]: (backend["active"], backend["inactive"])
            for backend in service["backends"]
        }
        for service in outcome.services
    }
