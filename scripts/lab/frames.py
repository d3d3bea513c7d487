"""Frames made by hand, and raw sockets to send and receive them."""

import contextlib
import socket
import struct
import time

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_AUXDATA = 8
TP_STATUS_VLAN_VALID = 1 << 4
BROADCAST = "ff:ff:ff:ff:ff:ff"

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_VLAN = 0x8100
ICMP, TCP, UDP = 1, 6, 17
SYN = 0x02


def packed_mac(mac):
    """The six octets of a MAC."""
    return bytes.fromhex(mac.replace(":", ""))


def checksum(octets):
    """The Internet checksum (RFC 1071)."""
    if len(octets) % 2:
        octets += b"\0"
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ethernet(destination, source, ethertype, payload):
    """An Ethernet frame, padded to its least length."""
    frame = packed_mac(destination) + packed_mac(source) + struct.pack("!H", ethertype) + payload
    return frame.ljust(60, b"\0")


def tagged(frame, tag):
    """The frame with an 802.1Q tag (priority, DEI and VLAN in 16 bits)."""
    return frame[:12] + struct.pack("!HH", ETHERTYPE_VLAN, tag) + frame[12:]


def arp(operation, sender_mac, sender, target_mac, target):
    """An ARP packet: operation 1 asks, 2 answers."""
    return (
        struct.pack("!HHBBH", 1, ETHERTYPE_IPV4, 6, 4, operation)
        + packed_mac(sender_mac)
        + socket.inet_aton(sender)
        + packed_mac(target_mac)
        + socket.inet_aton(target)
    )


def arp_request(source_mac, sender, target):
    """The broadcast frame that asks for the target's MAC."""
    payload = arp(1, source_mac, sender, "00:00:00:00:00:00", target)
    return ethernet(BROADCAST, source_mac, ETHERTYPE_ARP, payload)


def ipv4(source, destination, protocol, payload, *, ttl=64):
    """An IPv4 packet."""
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0x77, 0x4000, ttl, protocol, 0)
    head += socket.inet_aton(source) + socket.inet_aton(destination)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def _with_l4_checksum(source, destination, protocol, segment, offset):
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination)
    pseudo += struct.pack("!HH", protocol, len(segment))
    value = struct.pack("!H", checksum(pseudo + segment))
    return segment[:offset] + value + segment[offset + 2 :]


def tcp(source, destination, *, flags=SYN, payload=b"", ttl=64):
    """An IPv4 packet with a TCP segment between two (address, port)."""
    segment = struct.pack("!HHIIBBHHH", source[1], destination[1], 1, 0, 0x50, flags, 8192, 0, 0)
    segment = _with_l4_checksum(source[0], destination[0], TCP, segment + payload, 16)
    return ipv4(source[0], destination[0], TCP, segment, ttl=ttl)


def udp(source, destination, payload=b"", *, ttl=64):
    """An IPv4 packet with a UDP datagram between two (address, port)."""
    datagram = struct.pack("!HHHH", source[1], destination[1], 8 + len(payload), 0) + payload
    datagram = _with_l4_checksum(source[0], destination[0], UDP, datagram, 6)
    return ipv4(source[0], destination[0], UDP, datagram, ttl=ttl)


def echo_request(source, destination, identifier, payload=b"weir", *, ttl=64):
    """An IPv4 packet with a ping."""
    message = struct.pack("!BBHHH", 8, 0, 0, identifier, 1) + payload
    message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    return ipv4(source, destination, ICMP, message, ttl=ttl)


def icmp_error(kind, code, quoted):
    """An ICMP error message that quotes the beginning of a packet."""
    message = struct.pack("!BBHI", kind, code, 0, 0) + quoted
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


class Ipv4View:
    """A received frame taken apart: `payload` follows the IPv4 header. None where it has none."""

    def __init__(self, frame):
        offset = 18 if frame[12:14] == b"\x81\x00" else 14
        packet = frame[offset:]
        self.tag = int.from_bytes(frame[14:16], "big") if offset == 18 else None
        self.source = socket.inet_ntoa(packet[12:16])
        self.destination = socket.inet_ntoa(packet[16:20])
        self.protocol = packet[9]
        self.ttl = packet[8]
        length = int.from_bytes(packet[2:4], "big")
        self.payload = packet[(packet[0] & 15) * 4 : length]

    @classmethod
    def of(cls, frame):
        """The view, or None for a frame without a whole IPv4 header."""
        offset = 18 if frame[12:14] == b"\x81\x00" else 14
        is_ipv4 = frame[offset - 2 : offset] == b"\x08\x00"
        return cls(frame) if is_ipv4 and len(frame) >= offset + 20 else None


class RawSocket:
    """Sends and receives whole frames on an interface of a namespace."""

    def __init__(self, namespace, interface="eth0"):
        with namespace.inside():
            self._socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)
            )
            self._socket.bind((interface, ETH_P_ALL))
        # The kernel takes an 802.1Q tag out of the frame and tells it beside.
        self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)

    def send(self, frame):
        """Sends one frame."""
        self._socket.send(frame)

    def receive(self, timeout_s):
        """The next frame that came from the wire, its tag in place, or None after the timeout."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            with contextlib.suppress(TimeoutError):
                frame, ancillary, _, address = self._socket.recvmsg(65536, 256)
                if address[2] != socket.PACKET_OUTGOING:
                    return self._retagged(frame, ancillary)
        return None

    def find(self, wanted, timeout_s):
        """The first frame from the wire for which `wanted` says something, as it says it."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            frame = self.receive(left)
            if frame is not None and (found := wanted(frame)):
                return found
        return None

    @staticmethod
    def _retagged(frame, ancillary):
        for level, kind, data in ancillary:
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                # struct tpacket_auxdata: status, len, snaplen, mac, net, vlan_tci, vlan_tpid.
                status, _, _, _, _, tag, _ = struct.unpack("=IIIHHHH", data)
                if status & TP_STATUS_VLAN_VALID:
                    return tagged(frame, tag)
        return frame

    def close(self):
        """Closes the socket."""
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
