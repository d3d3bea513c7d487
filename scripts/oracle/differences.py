"""The table of what may differ from IPVS, and why weir does it otherwise.

Each row says when it applies, as narrowly as it can; whatever no row explains is a failure, and so
is a row that explains nothing.
"""

import dataclasses
from collections.abc import Callable

from lab.frames import TCP, UDP
from oracle import plan

SERVERS = set(plan.SERVER_MAC.values())
# Octets of a tunnel's header.
OUTER = 20
# The event of tunnels' packets that are cut.
CUT = "tunnel, too big"


@dataclasses.dataclass(frozen=True)
class Row:
    """A difference that is wanted. `explains` says whether a Difference is of this kind."""

    name: str
    what: str
    ipvs: str
    weir: str
    why: str
    explains: Callable


def explanation(difference):
    """The row that explains a difference, or None."""
    return next((row for row in TABLE if row.explains(difference)), None)


def page():
    """The table as a page."""
    lines = [
        "# Where weir differs from IPVS",
        "",
        "The comparison with the real IPVS (`python3 -m oracle` in scripts) accepts these",
        "differences and no others. This page is printed by `python3 -m oracle differences`.",
        "",
        "| name | what | IPVS | weir | why |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {r.name} | {r.what} | {r.ipvs} | {r.weir} | {r.why} |" for r in TABLE]
    return "\n".join(lines) + "\n"


def _only_ipvs(difference, **sent):
    """True where IPVS alone sent a frame, with these fields."""
    return (
        (difference.field, difference.weir) == ("frame", None)
        and {name.replace("_", ".", 1): value for name, value in sent.items()}.items()
        <= difference.sent.items()
    )


def _only_weir(difference):
    """True where weir alone sent a frame."""
    return (difference.field, difference.ipvs) == ("frame", None)


def _remembered(difference):
    return difference.field in ("session", "counts")


def _with_flags(difference, test):
    """True where a segment went in whose flags pass the test."""
    return any(test(set(given["tcp.flags"])) for given in difference.given if "tcp.flags" in given)


def _identification(difference):
    if difference.field == "outer.ip.id":
        return difference.sent["outer.ip.flags"] in ("000", "001")
    if (difference.event, difference.field) == (CUT, "ip.id") and difference.sent["ip.offset"]:
        # The second part of a tunnel's packet says nothing of a tunnel.
        return True
    error = difference.sent.get("ip.tos") == 0xC0 and difference.sent.get("icmp.type") in (3, 11)
    return difference.field == "ip.id" and error


def _quoted_ttl(difference):
    return (
        difference.field == "quoted.ip.ttl"
        and (difference.sent["icmp.type"], difference.sent["icmp.code"]) in ((3, 4), (2, 0))
        and difference.weir == difference.given[0]["ip.ttl"] == difference.ipvs + 1
    )


def _segment_size(difference):
    service = difference.case.service
    if difference.field != "tcp.options" or service is None or service.mode != "TUN":
        return False
    most = (plan.MTU - OUTER - 40).to_bytes(2, "big").hex()
    before, _, rest = difference.ipvs.partition("0204")
    return bool(rest) and difference.weir == f"{before}0204{most}{rest[4:]}" and rest[:4] > most


def _tunnel_mtu(difference):
    return (
        (difference.event, difference.field) == ("ICMP error about the tunnel", "icmp.rest")
        and (difference.sent["icmp.type"], difference.sent["icmp.code"]) == (3, 4)
        and difference.weir == difference.given[0]["icmp.rest"] - OUTER
    )


def _source_port(difference):
    fields = ["outer.udp.source"]
    if difference.event == CUT:
        fields.append("udp.source")
    return difference.field in fields and min(difference.ipvs, difference.weir) >= 32768


def _cut_identification(difference):
    """Of the header of a fragment of IPv6, all but the last four octets are the same."""
    return (
        (difference.event, difference.field) == (CUT, "ip.extension_44")
        and None not in (difference.ipvs, difference.weir)
        and difference.ipvs[:8] == difference.weir[:8]
    )


def _damaged_inside(difference):
    outside = difference.field in ("outer.gre.checksum_error", "outer.udp.checksum_error")
    given = difference.given[0]
    damage = (given.get("udp.checksum_error"), given.get("tcp.checksum_error"))
    return outside and not difference.ipvs and any(damage)


def _remote_checksum(difference):
    service = difference.case.service
    if service is None or service.tunnel[1:] != ("remote",):
        return False
    fields = ("outer.ip.total", "outer.udp.length", "outer.gue.words", "outer.gue.flags")
    inner = ("tcp.checksum_error", "udp.checksum_error", "tcp.checksum", "udp.checksum")
    return difference.field in (*fields, "outer.gue.extensions", *inner)


def _echo_in_place(difference):
    fields = ("ip.id", "ip.flags", "ip.options", "ip.header_words", "ip.total")
    return (
        difference.event.startswith("echo to")
        and difference.field in fields
        and difference.sent["icmp.type"] == 0
        and difference.weir == difference.given[0].get(difference.field)
    )


def _opened_by_answer(difference):
    reset = (difference.field, difference.ipvs) == ("frame", None)
    reset = reset and difference.sent.get("tcp.flags") == "R"
    return (
        (difference.event, difference.case.direction) == ("TCP stray", "forward")
        and (_remembered(difference) or _only_ipvs(difference) or reset)
        and _with_flags(difference, lambda flags: {"S", "A"} <= flags and "R" not in flags)
    )


def _reuse(difference):
    moved = ("frame", "eth.destination", "ip.destination", "outer.ip.destination")
    return (
        difference.event in ("TCP SYN+ACK", "TCP mixed flags")
        and difference.case.name.endswith((" in TIME_WAIT", " in CLOSE"))
        and difference.case.direction == "forward"
        and (difference.field in moved or _remembered(difference))
        and _with_flags(difference, lambda flags: "S" in flags and bool(flags & set("AR")))
    )


def _no_flags(difference):
    return (
        difference.event == "TCP without flags"
        and _remembered(difference)
        and (difference.field == "counts" or " CLOSE " in difference.ipvs)
        and _with_flags(difference, lambda flags: not flags & set("SFRA"))
    )


def _parked(difference):
    """A backend that came back has one client more with IPVS, and all else is alike."""
    changes = difference.event.endswith("persistence, server changes")
    if not changes or difference.field != "counts":
        return False
    tuples = [text.partition(" (")[2].rstrip(")") for text in (difference.ipvs, difference.weir)]
    if not all(tuples):
        return False
    ipvs, weir = ([int(number) for number in one.split(", ")] for one in tuples)
    return ipvs == [weir[0] + 1, *weir[1:]]


def _contradicts_itself(given):
    """True for TCP or UDP whose lengths do not fit the packet."""
    if given["ip.offset"] or given["ip.flags"].endswith("1"):
        return False
    octets = given["ip.total"] - 4 * given["ip.header_words"]
    if given["ip.protocol"] == TCP:
        return octets < 20 or not 20 <= (given["tcp.header_words"] >> 4) * 4 <= octets
    return given["ip.protocol"] == UDP and (octets < 8 or not 8 <= given["udp.length"] <= octets)


def _malformed(difference):
    return (_remembered(difference) or _only_ipvs(difference)) and any(
        _contradicts_itself(given) for given in difference.given if given.get("ip.version") == 4
    )


def _options_recorded(difference):
    return (
        difference.event == "IP options that record"
        and difference.field == "ip.options"
        and difference.weir == difference.given[0]["ip.options"]
    )


TABLE = [
    Row(
        "identification",
        "IPv4 identification of what the director makes: ICMP errors, tunnel headers without DF",
        "random at start, then counted",
        "counted",
        "It only has to be unique for its time (RFC 6864); no two boots of IPVS agree either.",
        _identification,
    ),
    Row(
        "quoted-ttl",
        "TTL or hop limit of the packet quoted in ICMP 3/4 and ICMPv6 2",
        "already taken one from",
        "as the packet came",
        "RFC 1812 section 4.3.2.3 wants what was received and only excuses the other.",
        _quoted_ttl,
    ),
    Row(
        "errors-of-ipv6-servers",
        "ICMPv6 errors from the server (NAT)",
        "dropped where the NIC has not verified them: the sum is taken without the pseudo-header",
        "translated, and passed to the client",
        "They tell clients of MTUs and closed ports, as those of IPv4 do.",
        lambda d: d.event == "IPv6 ICMP error from the server" and _only_weir(d),
    ),
    Row(
        "last-hop-of-answers",
        "answers with a hop limit of 0 or 1",
        "dropped before their connection is looked for",
        "dropped behind that: the connection has moved",
        "It is so on the way in, in IPVS too. Whoever can send them can send one more hop.",
        lambda d: d.event == "IPv6 header"
        and _remembered(d)
        and any(given["ip.ttl"] <= 1 and given["eth.source"] in SERVERS for given in d.given),
    ),
    Row(
        "fragments",
        "datagrams that come in fragments",
        "put together, then cut again, in order; whole in a tunnel",
        "forwarded fragment by fragment, from when the first is there",
        "Nothing is copied, nor kept while the rest is on its way. What hosts receive is the same.",
        lambda d: d.field == "fragments",
    ),
    Row(
        "segment-size",
        "the maximum segment size that SYNs to a TUN service announce",
        "as it is",
        "at most what the tunnel takes, unless `clamp_mss` is false",
        "Packets of that size need no fragments; who drops ICMP is reached as well.",
        _segment_size,
    ),
    Row(
        "tunnel-mtu",
        "the MTU in what a client is told of an ICMP 3/4 about the tunnel",
        "that of the route as it was known before; right from the next packet on",
        "that of the error, less the tunnel's header",
        "The first answer is right.",
        _tunnel_mtu,
    ),
    Row(
        "gue-source-port",
        "the source port of GUE",
        "a hash of the flow with a secret of each boot, 32768 to 60999",
        "a hash of the flow, 49152 to 65535",
        "It only has to tell flows apart, and be one for each.",
        _source_port,
    ),
    Row(
        "cut-identification",
        "identification of the fragments of tunnels' packets of IPv6",
        "random",
        "counted",
        "As with IPv4.",
        _cut_identification,
    ),
    Row(
        "damaged-inside",
        "checksums of GRE and GUE over a packet whose own checksum is wrong",
        "right: they are made of all octets",
        "as wrong as the packet's own, of which they are made",
        "No octet of the packet is read, and the backend drops it all the same.",
        _damaged_inside,
    ),
    Row(
        "remote-checksum",
        "GUE with --tun-remcsum, of packets whose checksum is there",
        "sent as with --tun-csum",
        "the carried packet's checksum is left to the receiver, as asked for",
        "IPVS leaves it to the receiver where the NIC would have had to make it; weir's frames "
        "come with theirs, and the backend verifies one checksum in place of two.",
        _remote_checksum,
    ),
    Row(
        "echo-in-place",
        "identification, DF and options of echo replies",
        "new identification, no DF, no-operation options left out",
        "those of the request",
        "The reply is the request, turned round in its buffer. Identifications that are unique "
        "from the sender stay unique to it, and with DF they mean nothing (RFC 6864).",
        _echo_in_place,
    ),
    Row(
        "echo-code",
        "ICMP type 8 with a code other than 0",
        "answered",
        "dropped as `icmp_unhandled`",
        "RFC 792 knows no such message.",
        lambda d: _only_ipvs(d, icmp_type=0, icmp_code=1),
    ),
    Row(
        "timestamp",
        "ICMP timestamp requests",
        "answered",
        "dropped as `icmp_unhandled`",
        "A MAY of RFC 1122 section 3.2.2.8 that tells strangers the host's clock.",
        lambda d: _only_ipvs(d, icmp_type=14),
    ),
    Row(
        "arp-own-link",
        "ARP for an address of another port",
        "answered on every port",
        "answered on the port whose network has the address",
        "Linux's weak-host default makes addresses move between links; people who run LVS set "
        "arp_ignore to end it.",
        lambda d: d.event in ("ARP for other DIP", "ARP for VIP of the other side")
        and _only_ipvs(d, arp_operation=2),
    ),
    Row(
        "syn-ack-opens-nothing",
        "SYN+ACK to a service, of no connection",
        "opens a connection, for the sake of active FTP",
        "is answered with RST",
        "No client opens so; reflected SYN+ACKs would fill the table.",
        _opened_by_answer,
    ),
    Row(
        "reuse-by-syn-alone",
        "a SYN with ACK or RST in a connection that is over (TIME_WAIT, CLOSE)",
        "forgets the connection; with RST the segment goes to the host's own stack",
        "belongs to the connection",
        "Only a SYN alone begins anew (RFC 9293 section 3.10.7.4); all else is for the server "
        "that knows the connection.",
        _reuse,
    ),
    Row(
        "no-flags",
        "TCP segments with none of SYN, FIN, RST, ACK",
        "close the connection: 10 s are left of it",
        "are forwarded and change nothing",
        "Hosts drop them unread (RFC 9293 section 3.10.7), so whoever forges one could cut a "
        "connection short.",
        _no_flags,
    ),
    Row(
        "udp-no-checksum",
        "NAT of a UDP datagram without checksum",
        "computes one",
        "leaves it without",
        "A checksum computed under way vouches for damage done before. It also reads the whole "
        "datagram.",
        lambda d: d.event == "UDP zero checksum"
        and (d.field, d.ipvs, d.weir) == ("udp.checksum_error", 0, "none"),
    ),
    Row(
        "malformed",
        "TCP and UDP whose length fields contradict the packet",
        "forwarded as far as the ports can be read",
        "dropped as `tcp_malformed` or `udp_malformed`",
        "No host takes them; they serve to get past filters, and they would cost a session.",
        _malformed,
    ),
    Row(
        "options-that-record",
        "record-route and timestamp options",
        "the director enters its address or time",
        "carried as they are",
        "They tell strangers the way to the backends, wherefore RFC 7126 would have them dropped; "
        "carried as they are they serve who needs them and tell nothing of the director.",
        _options_recorded,
    ),
    Row(
        "assured",
        "when a template is called ASSURED",
        "with the first connection that is established",
        "when the sweep meets one that is, within a minute",
        "The worker that has the template is not asked for each connection; nothing depends on it.",
        lambda d: (d.field, d.ipvs, d.weir) == ("template's state", "ASSURED", "NONE"),
    ),
    Row(
        "parked-templates",
        "the template of a client whose server was taken out",
        "kept aside until its time is up, and counted again when the server is back",
        "forgotten",
        "The client has another server; the count says who comes to this one.",
        _parked,
    ),
    Row(
        "options-malformed",
        "IPv4 options that reach beyond their header",
        "ICMP 12/0",
        "dropped as `ipv4_options`",
        "All that is malformed is a counted drop, without an answer to a sender who may be forged.",
        lambda d: d.event == "IP options malformed" and _only_ipvs(d, icmp_type=12),
    ),
]
