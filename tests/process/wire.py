# SPDX-License-Identifier: Apache-2.0
"""The wire, version 1, from docs/wire.md alone: frames on tcp and set-up frames, right and wrong ones.

A peer written against the page and not against the code: when the two part, its handshake fails."""

import socket
import struct

from support import DEADLINE_S

DATA, SETUP, BYE = 1, 2, 3
HELLO, ACCEPT, REFUSE, READY, FIN, FIN_ACK, COOKIE = 1, 2, 3, 4, 5, 6, 7
NAMES = {HELLO: "HELLO", ACCEPT: "ACCEPT", REFUSE: "REFUSE", READY: "READY", FIN: "FIN", FIN_ACK: "FIN_ACK"}
NAMES[COOKIE] = "COOKIE"
MAGIC = b"HRN1"
NO_PROOF = b"\0\0"
NO_COOKIE = NO_GREETING = bytes(16)


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def text(value):
    encoded = value.encode()
    return struct.pack("<H", len(encoded)) + encoded


def identity(name, domain="local", host="", user="", incarnation=1):
    return text(name) + text(domain) + text(host) + text(user) + struct.pack("<Q", incarnation)


def setup_frame(kind, body, version=1, magic=MAGIC):
    return magic + struct.pack("<HB", version, kind) + body


def hello(
    sender,
    to,
    link,
    stack,
    attempt=7,
    session=0,
    max_message=1 << 20,
    quota=16 << 20,
    incarnation=1,
    version=1,
):
    return setup_frame(
        HELLO,
        struct.pack("<Q", attempt)
        + identity(sender, incarnation=incarnation)
        + text(to)
        + text(link)
        + struct.pack("<QQIQQB", session, 0, max_message, quota, 0, 1)
        + struct.pack("<Q", fnv1a(stack))
        + text(stack)
        + NO_PROOF
        + NO_COOKIE
        + NO_GREETING,
        version,
    )


class Reader:
    """Takes fields from the front of bytes."""

    def __init__(self, data):
        self.data = data

    def take(self, form):
        size = struct.calcsize("<" + form)
        (value,) = struct.unpack("<" + form, self.data[:size])
        self.data = self.data[size:]
        return value

    def text(self):
        size = self.take("H")
        value, self.data = self.data[:size].decode(), self.data[size:]
        return value

    def identity(self):
        return {
            "name": self.text(),
            "domain": self.text(),
            "host": self.text(),
            "user": self.text(),
            "incarnation": self.take("Q"),
        }


class Connection:
    """One end of a tcp link."""

    def __init__(self, stream):
        self.socket = stream
        self.socket.settimeout(DEADLINE_S)
        self.sent = 0

    @classmethod
    def dial(cls, address):
        """To "tcp:127.0.0.1:7001"."""
        host, port = address.removeprefix("tcp:").rsplit(":", 1)
        return cls(socket.create_connection((host, int(port)), DEADLINE_S))

    def send(self, kind, body, length=None):
        """A frame; `length` is what its header claims."""
        head = (len(body) if length is None else length) | kind << 28
        self.socket.sendall(struct.pack("<II", head, self.sent << 2) + body)
        self.sent += 1

    def exactly(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError(f"the peer closed after {len(data)} of {size} bytes")
            data += part
        return data

    def receive(self):
        """Kind and body of the next frame."""
        head, _ = struct.unpack("<II", self.exactly(8))
        return head >> 28, self.exactly(head & 0x0FFFFFFF)

    def receive_setup(self, wanted):
        """The fields of the next set-up frame, behind its type."""
        kind, body = self.receive()
        assert kind == SETUP and body[:4] == MAGIC, (kind, body)
        reader = Reader(body[4:])
        version, got = reader.take("H"), reader.take("B")
        assert (version, got) == (1, wanted), f"version {version}, {NAMES.get(got, got)}, not {NAMES[wanted]}"
        return reader

    def refusal(self):
        """What, because and try of the REFUSE that must come now."""
        reader = self.receive_setup(REFUSE)
        reader.take("Q"), reader.take("H"), reader.take("B")
        return reader.text(), reader.text(), reader.text()

    def ended(self):
        """Whether the peer closes, and says at most set-up frames and a bye before."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def close(self):
        self.socket.close()


class Listener:
    """Waits for a node that dials, and answers as the node `name` would."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(DEADLINE_S)
        self.address = "tcp:127.0.0.1:%d" % self.socket.getsockname()[1]

    def accept(self, receive_buffer=None):
        """A connection whose HELLO was accepted with the first offer; READY has come."""
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection = Connection(self.socket.accept()[0])
        fields = connection.receive_setup(HELLO)
        attempt = fields.take("Q")
        fields.identity(), fields.text(), fields.text(), fields.take("Q"), fields.take("Q")
        max_message, quota, _floor, offers = (fields.take(form) for form in "IQQB")
        assert offers >= 1
        offered, stack = fields.take("Q"), fields.text()
        assert offered == fnv1a(stack), stack
        connection.attempt, connection.stack = attempt, stack
        connection.send(
            SETUP,
            setup_frame(
                ACCEPT,
                struct.pack("<Q", attempt)
                + identity(self.name)
                + struct.pack("<BQIQQ", 0, offered, max_message, quota, 0)
                + NO_PROOF,
            ),
        )
        connection.receive_setup(READY)
        return connection

    def close(self):
        self.socket.close()
