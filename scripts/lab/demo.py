"""Real HTTP requests through NAT, DR, TUN and FULLNAT, and what came from where."""

import collections

from lab import plan
from lab.director import http, target_folder
from lab.topology import Lab

REQUESTS = 20
TITLES = {
    "nat": "NAT: replies come back through the director",
    "dr": "DR: replies go straight to the client",
    "tun": "TUN: IP in IP to the servers, replies go straight to the client",
    "fullnat": "FULLNAT: servers see an address of the director's, and reply to that",
}


def request(lab, mode):
    """The name of the server that answered one curl, or what curl said instead."""
    curl = ["curl", "-s", "-f", "-m", 5, "--noproxy", "*", "-w", "%{errormsg}"]
    return lab.client.run(*curl, f"http://{plan.VIP[mode]}/", check=False).strip()


def send(lab, mode):
    """Sends the requests of one mode, prints the answers and returns their count by server."""
    print(f"\n{TITLES[mode]}\n  curl http://{plan.VIP[mode]}/ …", end="", flush=True)
    answers = collections.Counter()
    for _ in range(REQUESTS):
        answer = request(lab, mode)
        answers[answer] += 1
        print(f" {answer}", end="", flush=True)
    print()
    return answers


def faults(mode, answers, replies):
    """What is wrong with a mode's answers and the way they took."""
    counts = [answers[name] for name in plan.NAMES]
    if sum(counts) != REQUESTS:
        yield f"{mode}: {REQUESTS - sum(counts)} of {REQUESTS} requests failed"
    # Round robin.
    if max(counts) - min(counts) > 1 or min(counts) == 0:
        yield f"{mode}: not balanced"
    # The replies that pass also show that these counters count.
    through = replies[mode] > 0
    if through != (mode in plan.THROUGH):
        yield f"{mode}: {replies[mode]} packets of replies passed the director"


def summary(mode, answers, wrong):
    """The line that ends the demonstration of a mode."""
    counts = [answers[name] for name in plan.NAMES]
    state = "FAILED" if wrong else "ok"
    by_server = ", ".join(f"{name} {count}" for name, count in zip(plan.NAMES, counts))
    return f"demo: {mode} {sum(counts)}/{REQUESTS} {state}, {by_server}"


def main():
    """Shows it; returns the exit code."""
    print("Laying out client, director, router and eight nginx (two in a Linux of their own).")
    lab = Lab(log_folder=target_folder() / "lab" / "demo")
    print("Starting weir.")
    with lab.weir([http(mode) for mode in plan.MODES]) as weir:
        answers = {mode: send(lab, mode) for mode in plan.MODES}
        replies = lab.replies_at_director()
        for what in ("services", "sessions"):
            print(f"\nweir show {what}\n{weir.show(what)}")
    for mode in plan.MODES:
        print(f"Packets of {mode} replies that came to the director: {replies[mode]}")
    wrong = {mode: list(faults(mode, answers[mode], replies)) for mode in plan.MODES}
    for fault in sum(wrong.values(), []):
        print(f"demo: FAILED: {fault}")
    for mode in plan.MODES:
        print(summary(mode, answers[mode], wrong[mode]))
    return 1 if any(wrong.values()) else 0
