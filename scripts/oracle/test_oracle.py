"""Tests of the oracle itself: what it would overlook, it could not find."""

import dataclasses
import types
import unittest
from unittest import mock

from lab import frames
from oracle import cases, differences, packets, plan, replay
from oracle.books import compare_books
from oracle.cases import fragments
from oracle.compare import Difference, compare_frames, compare_step
from oracle.decode import decode
from oracle.joined import received
from oracle.matrix import IMPLEMENTED, PENDING, Matrix
from oracle.play import Case, Group, Memory, Step
from oracle.services import Service

CLIENT, VIP, RIP = ("10.1.0.2", 30000), ("10.1.0.100", 80), ("10.2.0.11", 8080)
SYN = packets.tcp(CLIENT, VIP, "S", b"odd", tcp_options=b"\2\4\5\xb4", options=b"\1\1\1\0")
DATAGRAM = packets.udp(CLIENT, VIP, b"payload")


def framed(packet, ethertype=frames.ETHERTYPE_IPV4):
    """A packet as it may leave the director."""
    return packets.framed(plan.WAN, packet, plan.CLIENT_MAC["10.1.0.2"], ethertype=ethertype)


FRAMES = {
    "TCP": framed(SYN),
    "UDP": framed(DATAGRAM),
    "UDP without checksum": framed(packets.udp(CLIENT, VIP, b"x", l4_checksum_value=0)),
    "tunnel": framed(packets.ipv4("10.2.0.1", "10.2.0.11", 4, SYN)),
    "error": framed(packets.icmp("10.1.0.100", "10.1.0.2", 3, 4, 1400, SYN[:40])),
    "echo": framed(packets.icmp("10.1.0.100", "10.1.0.2", 0, 0, 7, b"data")),
    "fragment": framed(packets.ipv4("10.1.0.100", "10.1.0.2", 17, b"rest", offset=80)),
    "other": framed(packets.ipv4("10.1.0.100", "10.1.0.2", 99, b"payload")),
    "ARP": framed(
        frames.arp(2, plan.MAC[0], "10.1.0.1", plan.STRANGER_MAC, "10.1.0.77"),
        frames.ETHERTYPE_ARP,
    ),
    "unknown": framed(b"payload", 0x88CC),
}


class Compare(unittest.TestCase):
    """No octet of a frame is overlooked."""

    def test_every_bit_counts(self):
        for name, frame in FRAMES.items():
            self.assertEqual(compare_frames(frame, frame), [])
            for bit in range(len(frame) * 8):
                other = bytearray(frame)
                other[bit // 8] ^= 1 << bit % 8
                with self.subTest(name, bit=bit):
                    self.assertTrue(compare_frames(frame, bytes(other)))

    def test_every_cut_and_every_addition_counts(self):
        for name, frame in FRAMES.items():
            for length in range(14, len(frame)):
                with self.subTest(name, length=length):
                    self.assertTrue(compare_frames(frame, frame[:length]))
            self.assertTrue(compare_frames(frame, frame + b"\1"))

    def test_padding_to_the_least_frame_does_not(self):
        frame = framed(packets.udp(CLIENT, VIP))
        self.assertEqual(compare_frames(frame, frame.ljust(60, b"\0")), [])
        self.assertTrue(compare_frames(frame, frame.ljust(61, b"\0")))

    def test_a_checksum_is_named_where_it_is_the_reason(self):
        def names(a, b):
            return [name for name, *_ in compare_frames(framed(a), framed(b))]

        self.assertEqual(names(DATAGRAM, packets.udp(CLIENT, VIP, b"payload", ttl=63)), ["ip.ttl"])
        wrong = packets.udp(CLIENT, VIP, b"payload", l4_error=1, ttl=63)
        self.assertEqual(names(DATAGRAM, wrong), ["ip.ttl", "udp.checksum_error"])

    def test_frames_that_one_did_not_send_are_told(self):
        case = Case("", "", "", None, None)
        one, other = FRAMES["TCP"], FRAMES["UDP"]
        step = Step(plan.WAN, one, 0, [(1, one), (1, other)])
        self.assertEqual(compare_step(case, step, [(1, one), (1, other)]), [])
        # In the same order, by the same port, as often.
        self.assertTrue(compare_step(case, step, [(1, other), (1, one)]))
        self.assertTrue(compare_step(case, step, [(1, one), (0, other)]))
        (missing,) = compare_step(case, step, [(1, other)])
        self.assertEqual((missing.field, missing.weir), ("frame", None))
        (more,) = compare_step(case, step, [(1, one), (1, other), (1, one)])
        self.assertEqual((more.field, more.ipvs), ("frame", None))


class Books(unittest.TestCase):
    """States, times and counts are compared."""

    def compare(self, ipvs, weir, counts=(1, 0)):
        """The fields that differ, of one session as each has it: (state, seconds) or None."""
        case = Case("", "TCP SYN", "forward", Service("NAT", "tcp", (1,)), None)
        group = Group("", [case])
        ends = ("10.1.0.2:30000", "10.1.0.100:1000", "10.2.0.11:1000")
        line = ipvs and f"TCP {ipvs[1] // 60:02}:{ipvs[1] % 60:02}  {ipvs[0]} {' '.join(ends)}"
        head = "TCP  10.1.0.100:1000 rr\n  -> 10.2.0.11:1000  1 0 "
        case.memory = Memory(line or "", f"{head} {counts[0]} {counts[1]}", 0.5)
        keys = ("client", "virtual_address", "backend")
        session = weir and {
            **dict(zip(keys, ends)),
            **{"protocol": "TCP", "state": weir[0], "expires_ms": weir[1] * 1000},
        }
        backend = {"address": ends[2], "persistent": 0, "active": 1, "inactive": 0}
        service = {"name": "web", "protocol": "TCP", "virtual_address": ends[1]}
        service["backends"] = [backend]
        outcome = replay.Outcome({}, [], [service], [session] if session else [], [], 0)
        return [difference.field for _, difference in compare_books(group, outcome)]

    def test_what_is_alike(self):
        self.assertEqual(self.compare(("SYN_RECV", 59), ("SYN_RECV", 60)), [])
        self.assertEqual(self.compare(None, None), [])

    def test_what_is_not(self):
        for ipvs, weir in (
            (("SYN_RECV", 60), ("ESTABLISHED", 60)),
            (("SYN_RECV", 57), ("SYN_RECV", 60)),
            (("SYN_RECV", 63), ("SYN_RECV", 60)),
            (("SYN_RECV", 60), None),
            (None, ("SYN_RECV", 60)),
        ):
            self.assertEqual(self.compare(ipvs, weir), ["session"], (ipvs, weir))
        self.assertEqual(self.compare(None, None, counts=(0, 1)), ["counts"])


class Differences(unittest.TestCase):
    """The table excuses what it says, and not what is next to it."""

    def test_a_reset_of_the_server_is_none_of_the_host(self):
        case = Case("", "TCP RST", "reverse", Service("NAT", "tcp"), None)
        given = [dict(decode(framed(packets.tcp(RIP, CLIENT, "R"))))]
        sent = dict(decode(framed(packets.tcp(VIP, CLIENT, "R"))))
        lost = Difference(case, "frame", "", None, given, sent)
        self.assertIsNone(differences.explanation(lost))
        stray = dataclasses.replace(case, event="TCP stray", direction="forward")
        for flags, name in (("A", None), ("SA", "syn-ack-opens-nothing")):
            given = [dict(decode(framed(packets.tcp(CLIENT, VIP, flags))))]
            answered = Difference(stray, "frame", None, "", given, sent)
            row = differences.explanation(answered)
            self.assertEqual(row and row.name, name)

    def test_no_frame_that_weir_alone_sent_is_excused_as_malformed(self):
        case = Case("", "UDP length field", "forward", Service("NAT", "udp"), None)
        for length, name in ((7, "malformed"), (12, None), (40, "malformed")):
            packet = packets.udp(CLIENT, VIP, b"x" * 20, length=length)
            given = [dict(decode(framed(packet)))]
            row = differences.explanation(Difference(case, "frame", "", None, given))
            self.assertEqual(row and row.name, name)
            self.assertIsNone(
                differences.explanation(Difference(case, "frame", None, "", given))
            )

    def test_nothing_else_is_excused(self):
        case = types.SimpleNamespace(event="TCP SYN", direction="forward", name="", service=None)
        given = [dict(decode(FRAMES["TCP"]))]
        for field, value in decode(FRAMES["TCP"]):
            difference = Difference(case, field, value, None, given, given[0])
            self.assertIsNone(differences.explanation(difference), field)


class Cells(unittest.TestCase):
    """The matrix has its cases, and says when it is out of date."""

    def test_every_case_has_its_cell(self):
        cells = [case.cell for group in cases.groups() for case in group.cases]
        self.assertEqual({*cells}, IMPLEMENTED | PENDING)
        self.assertFalse(IMPLEMENTED & PENDING)

    def test_cells_without_cases_and_pending_ones_that_are_done_are_faults(self):
        pending, missing, *rest = sorted(IMPLEMENTED)
        with (
            mock.patch("oracle.matrix.PENDING", frozenset({pending})),
            mock.patch("oracle.matrix.IMPLEMENTED", frozenset({missing, *rest})),
        ):
            self.assertEqual([*self.matrix([missing, *rest], [pending]).faults()], [])
            (fault,) = self.matrix([pending, missing, *rest], []).faults()
            self.assertIn("is pending, but", fault)
            (fault,) = self.matrix(rest, [pending]).faults()
            self.assertIn("has no case", fault)

    @staticmethod
    def matrix(alike, unlike):
        """With one case in each of these cells."""
        made = Matrix()
        for cell in alike:
            made.count(cell, True)
        for cell in unlike:
            made.count(cell, False)
        return made


class Joined(unittest.TestCase):
    """Fragments are compared as what hosts make of them."""

    def test_what_hosts_receive(self):
        whole = packets.udp(CLIENT, VIP, bytes(range(64)), df=False)
        cut = fragments.pieces(whole, 24)
        self.assertEqual(len(cut), 3)

        def sent(*these):
            return received([(1, framed(packet)) for packet in these])

        self.assertEqual(sent(whole), sent(*cut))
        self.assertEqual(sent(whole), sent(cut[2], cut[0], cut[0], cut[1]))
        self.assertNotEqual(sent(whole), sent(cut[0], cut[1]))

        def inside(packet):
            return packets.ipv4("10.2.0.1", "10.2.0.11", 4, packet, df=False)

        outer = fragments.pieces(inside(whole), 40)
        self.assertEqual(sent(inside(whole)), sent(*outer))
        self.assertEqual(sent(inside(whole)), sent(*[inside(packet) for packet in cut]))
        self.assertNotEqual(sent(inside(whole)), sent(whole))
        self.assertNotEqual(sent(whole), sent(*cut, *cut))
        self.assertNotEqual(sent(whole), sent(packets.udp(CLIENT, VIP, bytes(64), df=False)))

    def test_what_hosts_receive_of_ipv6(self):
        ends = [("fd00:9::2", 4000), ("fd00:9::100", 80)]
        whole = packets.udp(*ends, bytes(range(64)))
        cut = fragments.pieces_six(whole, 24, 7)
        again = fragments.pieces_six(whole, 40, 8)
        self.assertEqual((len(cut), len(again)), (3, 2))

        def sent(*these):
            return received([(1, framed(packet, packets.ETHERTYPE_IPV6)) for packet in these])

        self.assertEqual(sent(whole), sent(*cut))
        self.assertEqual(sent(*cut), sent(*again))
        self.assertEqual(sent(whole), sent(cut[2], cut[0], cut[0], cut[1]))
        self.assertNotEqual(sent(whole), sent(cut[0], cut[1]))
        self.assertNotEqual(sent(whole), sent(cut[0], again[1]))
        self.assertNotEqual(sent(whole), sent(packets.udp(*ends, bytes(64))))

        def inside(packet):
            return packets.ipv6("fd00:2::1", "fd00:2::11", 41, packet)

        self.assertEqual(sent(inside(whole)), sent(*[inside(packet) for packet in cut]))
        self.assertNotEqual(sent(inside(whole)), sent(whole))


class Captures(unittest.TestCase):
    """What is written is read."""

    def test_round_trip(self):
        records = [(0, b"a" * 60), (1_999_999_999, b"b")]
        self.assertEqual(replay.frames_of(replay.pcap(records)), records)
        with self.assertRaises(replay.ReplayError):
            replay.frames_of(b"\xd4\xc3\xb2\xa1" + bytes(20))
