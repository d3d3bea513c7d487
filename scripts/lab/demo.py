"""Real HTTP requests through NAT, DR, TUN and FULLNAT, over IPv4 and IPv6, and what came from
where."""

import collections

from lab import plan
from lab.director import SNAT, TWO_FAMILIES, http, target_folder
from lab.topology import Lab

REQUESTS = 20
TITLES = {
    "nat": "NAT: replies come back through the director",
    "dr": "DR: replies go straight to the client",
    "tun": "TUN: IP in IP to the servers, replies go straight to the client",
    "fullnat": "FULLNAT: servers see an address of the director's, and reply to that",
}


def request(lab, url):
    """The name of the server that answered one curl, or what curl said instead."""
    curl = ["curl", "-s", "-f", "-m", 5, "--noproxy", "*", "-w", "%{errormsg}"]
    return lab.client.run(*curl, url, check=False).strip()


def send(lab, vip):
    """Sends the requests to one VIP, prints the answers and returns their count by server."""
    url = f"http://{plan.host_of(vip)}/"
    print(f"  curl {url} …", end="", flush=True)
    answers = collections.Counter()
    for _ in range(REQUESTS):
        answer = request(lab, url)
        answers[answer] += 1
        print(f" {answer}", end="", flush=True)
    print()
    return answers


def go_online(lab):
    """Sends requests of the NAT servers to one outside, prints as whom they were seen there and
    returns the count of each."""
    lab.outside()
    url = f"http://{plan.OUTSIDE}/who"
    print("\nSNAT: the servers of NAT go online themselves")
    print(f"  curl {url} …", end="", flush=True)
    seen = collections.Counter()
    for number in range(REQUESTS):
        servers = lab.servers["nat"]
        curl = ["curl", "-s", "-f", "-m", 5, "--noproxy", "*", "-w", "%{errormsg}", url]
        answer = servers[number % len(servers)].namespace.run(*curl, check=False).strip()
        seen[answer] += 1
        print(f" {answer}", end="", flush=True)
    print()
    return seen


def faults(mode, answers, replies):
    """What is wrong with the answers of a mode and a family, and the way they took."""
    counts = [answers[name] for name in plan.NAMES]
    if sum(counts) != REQUESTS:
        yield f"{REQUESTS - sum(counts)} of {REQUESTS} requests failed"
    # Round robin.
    if max(counts) - min(counts) > 1 or min(counts) == 0:
        yield "not balanced"
    # The replies that pass also show that these counters count.
    through = replies[mode] > 0
    if through != (mode in plan.THROUGH):
        yield f"{replies[mode]} packets of replies passed the director"


def summary(run, answers, wrong):
    """The line that ends the demonstration of a mode and a family."""
    counts = [answers[name] for name in plan.NAMES]
    state = "FAILED" if wrong else "ok"
    by_server = ", ".join(f"{name} {count}" for name, count in zip(plan.NAMES, counts))
    return f"demo: {run} {sum(counts)}/{REQUESTS} {state}, {by_server}"


def main():
    """Shows it; returns the exit code."""
    print("Laying out client, director, router and eight nginx (two in a Linux of their own).")
    lab = Lab(log_folder=target_folder() / "lab" / "demo")
    print("Starting weir.")
    services = [http(mode) for mode in plan.MODES]
    services += [http(mode, plan.six(plan.VIP[mode])) for mode in plan.MODES]
    answers, replies = {}, {}
    with lab.weir(services, arms=TWO_FAMILIES, more=SNAT) as weir:
        for mode in plan.MODES:
            print(f"\n{TITLES[mode]}")
            for run, vip in ((mode, plan.VIP[mode]), (f"{mode} IPv6", plan.six(plan.VIP[mode]))):
                before = lab.replies_at_director()
                answers[run] = send(lab, vip)
                after = lab.replies_at_director()
                replies[run] = {mode: after[mode] - before[mode] for mode in plan.MODES}
        seen = go_online(lab)
        for what in ("services", "snat", "sessions"):
            print(f"\nweir show {what}\n{weir.show(what)}")
    wrong = {run: list(faults(run.split()[0], answers[run], replies[run])) for run in answers}
    for run in answers:
        packets = replies[run][run.split()[0]]
        print(f"Packets of {run} replies that came to the director: {packets}")
    for run, found in wrong.items():
        for fault in found:
            print(f"demo: FAILED: {run}: {fault}")
    for run in answers:
        print(summary(run, answers[run], wrong[run]))
    as_one = seen[plan.PUBLIC]
    state = "ok" if as_one == REQUESTS else "FAILED"
    print(f"demo: snat {as_one}/{REQUESTS} {state}, seen as {plan.PUBLIC}")
    return 1 if any(wrong.values()) or as_one != REQUESTS else 0
