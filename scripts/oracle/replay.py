"""weir's side: the frames of a group through `weir replay`."""

import collections
import dataclasses
import json
import struct
import subprocess

from oracle import packets, plan

REPLAY_S = 60
# struct pcap_file_header, times in nanoseconds; link type 1 is Ethernet.
PCAP_HEADER = struct.Struct("<IHHiIII")
PCAP_NANOSECONDS = 0xA1B23C4D
PCAP_RECORD = struct.Struct("<IIII")
SECOND_NS = 1_000_000_000


class ReplayError(Exception):
    """weir did not replay."""


@dataclasses.dataclass
class Outcome:
    """What weir made of a group."""

    # What came out, as [(port, frame)] by the time of the frame that went in.
    sent: dict
    # What came out at another time, as [(port, frame)].
    unprompted: list
    # As `weir show` has them, with the time of the end.
    services: list
    sessions: list
    templates: list
    end_ns: int


def replay(weir, group, folder):
    """Runs what IPVS got through weir. `weir` is its binary, `folder` for its files."""
    config = folder / "weir.ron"
    config.write_text(group.config())
    steps = [step for case in group.cases for step in case.steps]
    captures = [folder / f"{port}-in.pcap" for port in plan.PORTS]
    outputs = [folder / f"{port}-out.pcap" for port in plan.PORTS]
    for port, capture in enumerate(captures):
        given = [(step.time_ns, step.frame) for step in steps if step.port == port]
        # What a director announces at its start comes at the time of the first frame, so that one
        # is nobody's.
        capture.write_bytes(pcap([(0, _nobodys(port)), *given]))
    stats = folder / "stats.json"
    command = [weir, "replay", "--config", config, "--stats", stats]
    for name, capture, output in zip(plan.PORTS, captures, outputs):
        command += ["--in", f"{name}={capture}", "--out", f"{name}={output}"]
    for number, (time_ns, text) in enumerate(group.reloads()):
        changed = folder / f"weir-{number}.ron"
        changed.write_text(text)
        command += ["--reload", f"{time_ns / SECOND_NS:.9f}={changed}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=REPLAY_S)
    if done.returncode != 0:
        raise ReplayError(f"weir replay ended with {done.returncode}: {done.stderr.strip()}")
    counted = json.loads(stats.read_text())
    times = {step.time_ns for step in steps}
    sent = collections.defaultdict(list)
    unprompted = []
    for port, output in enumerate(outputs):
        for time_ns, frame in frames_of(output.read_bytes()):
            if time_ns in times:
                sent[time_ns].append((port, frame))
            else:
                unprompted.append((port, frame))
    return Outcome(
        *(sent, unprompted, counted["services"], counted["sessions"], counted["templates"]),
        counted["virtual_ns"],
    )


def _nobodys(port):
    return packets.framed(port, b"", plan.STRANGER_MAC, destination_mac=plan.STRANGER_MAC)


def pcap(records):
    """A capture of [(time in ns, frame)]."""
    head = PCAP_HEADER.pack(PCAP_NANOSECONDS, 2, 4, 0, 0, 1 << 16, 1)
    return head + b"".join(
        PCAP_RECORD.pack(*divmod(time_ns, SECOND_NS), len(frame), len(frame)) + frame
        for time_ns, frame in records
    )


def frames_of(capture):
    """[(time in ns, frame)] of a capture as weir writes it."""
    magic, *_ = PCAP_HEADER.unpack_from(capture)
    if magic != PCAP_NANOSECONDS:
        raise ReplayError(f"not a capture in nanoseconds: it begins with {magic:#x}")
    found = []
    offset = PCAP_HEADER.size
    while offset < len(capture):
        seconds, rest_ns, octets, _ = PCAP_RECORD.unpack_from(capture, offset)
        offset += PCAP_RECORD.size
        found.append((seconds * SECOND_NS + rest_ns, capture[offset : offset + octets]))
        offset += octets
    return found
