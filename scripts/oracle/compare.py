"""What differs between what IPVS sent and what weir sent."""

import collections
import dataclasses

from oracle import plan
from oracle.decode import decode


@dataclasses.dataclass(frozen=True)
class Difference:
    """One thing that one of the two did otherwise.

    `field` names it: a field of a frame ("ip.ttl"), "frame" for a frame that only one of them
    sent, "session", "template", "template's state", or "counts" of a backend. `given` has the
    fields of what went in, `sent` those of IPVS's frame, or of weir's where there is no other. What
    is remembered comes of a whole case, so `given` has all that went in.
    """

    case: object
    field: str
    ipvs: object
    weir: object
    given: list
    sent: dict = dataclasses.field(default_factory=dict)

    @property
    def event(self):
        """What its case is about."""
        return self.case.event

    def __str__(self):
        return f"{self.field}: IPVS {self.ipvs}, weir {self.weir}"


def compare_step(case, step, from_weir):
    """The differences in what came out for one frame that went in."""
    given = [dict(decode(step.frame))]
    found = []
    for port in range(len(plan.PORTS)):
        ipvs = [frame for at, frame in step.from_ipvs if at == port]
        weir = [frame for at, frame in from_weir if at == port]
        ipvs, weir = _without_equal(ipvs, weir)
        for left, right in zip(ipvs, weir):
            for field, a, b, sent in compare_frames(left, right):
                found.append(Difference(case, field, a, b, given, sent))
        for frame in ipvs[len(weir) :]:
            sent = dict(decode(frame))
            found.append(Difference(case, "frame", summary(frame), None, given, sent))
        for frame in weir[len(ipvs) :]:
            sent = dict(decode(frame))
            found.append(Difference(case, "frame", None, summary(frame), given, sent))
    return found


def _without_equal(ipvs, weir):
    """What is left of both when equal frames are taken out, if they were not equal in number."""
    if len(ipvs) == len(weir):
        return ipvs, weir
    common = collections.Counter(ipvs) & collections.Counter(weir)

    def rest(frames):
        taken = common.copy()
        for frame in frames:
            if taken[frame]:
                taken[frame] -= 1
            else:
                yield frame

    return list(rest(ipvs)), list(rest(weir))


def compare_frames(ipvs, weir):
    """The fields that differ: [(name, IPVS's value, weir's value, IPVS's fields by name)]."""
    if ipvs == weir:
        return []
    left, right = dict(decode(ipvs)), dict(decode(weir))
    names = list(dict.fromkeys([*left, *right]))
    differing = [name for name in names if left.get(name) != right.get(name)]
    # A checksum follows what it covers: it counts where it is wrong in another way, or where
    # nothing else is different.
    leading = [name for name in differing if f"{name}_error" not in left]
    differing = leading or differing
    return [(name, left.get(name), right.get(name), left) for name in differing]


def summary(frame):
    """One line for a frame."""
    fields = dict(decode(frame))
    if "arp.operation" in fields:
        word = {1: "asks for", 2: "answers"}.get(fields["arp.operation"], "?")
        return f"ARP {fields['arp.sender']} {word} {fields['arp.target']}"
    line = f"{fields.get('ip.source')} > {fields.get('ip.destination')}"
    if "outer.ip.source" in fields:
        line = f"{fields['outer.ip.source']} > {fields['outer.ip.destination']} | {line}"
    if fields.get("ip.offset"):
        return f"{line} fragment at {fields['ip.offset']}"
    if "tcp.flags" in fields:
        ports = f"{fields['tcp.source']}>{fields['tcp.destination']}"
        return f"{line} TCP {ports} {fields['tcp.flags']}"
    if "udp.source" in fields:
        return f"{line} UDP {fields['udp.source']}>{fields['udp.destination']}"
    if fields.get("icmp.type") in (135, 136) and fields["ip.version"] == 6:
        return f"ND {line}"
    if "icmp.type" in fields:
        return f"{line} ICMP {fields['icmp.type']}/{fields['icmp.code']}"
    return f"{line} protocol {fields.get('ip.protocol')}"


def show_step(step, from_weir):
    """Both sides of a step: fields side by side, then the octets."""
    lines = [f"  in  {plan.PORTS[step.port]}  {summary(step.frame)}", f"      {step.frame.hex()}"]
    for port in range(len(plan.PORTS)):
        ipvs = [frame for at, frame in step.from_ipvs if at == port]
        weir = [frame for at, frame in from_weir if at == port]
        for index in range(max(len(ipvs), len(weir))):
            left = ipvs[index] if index < len(ipvs) else None
            right = weir[index] if index < len(weir) else None
            lines += _show_pair(plan.PORTS[port], left, right)
    if not step.from_ipvs and not from_weir:
        lines.append("  both sent nothing")
    return "\n".join(lines)


def _show_pair(port, ipvs, weir):
    lines = [f"  out {port}"]
    left = dict(decode(ipvs)) if ipvs else {}
    right = dict(decode(weir)) if weir else {}
    if ipvs and weir:
        for name in dict.fromkeys([*left, *right]):
            a, b = left.get(name), right.get(name)
            mark = " " if a == b else "!"
            lines.append(f"    {mark} {name:24} {_short(a):34} {_short(b)}")
    for who, frame in (("IPVS", ipvs), ("weir", weir)):
        lines.append(f"    {who}  {summary(frame) if frame else 'nothing'}")
        if frame:
            lines.append(f"      {frame.hex()}")
    return lines


def _short(value):
    text = "-" if value is None else str(value)
    return text if len(text) <= 32 else f"{text[:24]}… {len(text) // 2}"
