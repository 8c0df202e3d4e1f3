# SPDX-License-Identifier: Apache-2.0
"""What the tests of real processes share: nodes as child processes, the command line, the admin socket.

Nothing sleeps: a test waits for a line that a process prints, for its end, or for bytes on a socket, each
with a deadline. Nodes listen on ports that the system chooses and are told each other's addresses by the
admin method peer.set, so that tests run side by side. Every process ends with its test, whatever happens."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HARNESS = os.path.abspath(os.environ.get("HARNESS", ROOT / "build/dev/bin/harness"))
DEADLINE_S = 180  # generous: only a failing test waits so long
# Freed memory stays in quarantine under the address sanitizer; the bounds below are about ours.
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1")
PROGRAM = Path(HARNESS).read_bytes() if os.path.exists(HARNESS) else b""
# What the sanitizers add to every byte that we hold (quarantine and shadow), and to the limits of time as
# cmake/testing.cmake has them.
MEMORY_FACTOR, TIME_FACTOR = (
    (8, 6) if b"__tsan_init" in PROGRAM else (3, 3) if b"__asan_init" in PROGRAM else (1, 1)
)
CODES = {
    "ok": 0,
    "failed": 1,
    "usage": 2,
    "not found": 3,
    "denied": 4,
    "unreachable": 5,
    "conflict": 6,
    "partial": 7,
    "degraded": 8,
    "wrong token": 10,
    "expired token": 11,
    "used-up token": 12,
    "wrong root": 13,
    "revoked": 14,
    "floor not met": 15,
    "interrupted": 130,
}


class Process:
    """A child whose output is read line by line while it runs."""

    def __init__(self, command, **options):
        self.lines = []
        self._changed = threading.Condition()
        self._open = 2  # streams that may still say something
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
            **options,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (self.child.stderr, self.child.stdout)
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream):
        for line in stream:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def wait_for(self, pattern, after=0):
        """The match of the first line from `after` on that fits. Fails when the process ends before."""

        def found():
            return next((m for line in self.lines[after:] if (m := re.search(pattern, line))), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or self._open == 0, DEADLINE_S)
            if match := found():
                return match
            raise AssertionError(f"never said /{pattern}/; it said:\n" + "\n".join(self.lines))

    def rss_kib(self):
        """Resident memory now."""
        status = Path(f"/proc/{self.child.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def catches(self, number):
        """Whether the program handles that signal itself (a handler, or blocked and read), or has ended."""
        status = Path(f"/proc/{self.child.pid}/status").read_text(encoding="ascii")
        masks = re.findall(r"Sig(?:Cgt|Blk):\s+([0-9a-f]+)", status)
        return not masks or any(int(mask, 16) >> (number - 1) & 1 for mask in masks)

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self):
        code = self.child.wait(DEADLINE_S)
        for reader in self._readers:
            reader.join(DEADLINE_S)
        self.child.stdout.close()
        self.child.stderr.close()
        return code

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
        return self.wait()


class Admin:
    """A client of docs/admin.md: one JSON object a line."""

    def __init__(self, folder):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE_S)
        here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)  # its path may be too long for an address
        try:
            self._socket.connect(f"/proc/self/fd/{here}/admin.sock")
        finally:
            os.close(here)
        self._stream = self._socket.makefile("r", encoding="utf-8")
        self._last = 0

    def ask(self, method, **params):
        self.start(method, **params)
        while "progress" in (reply := self.reply()):
            pass
        return reply

    def start(self, method, **params):
        self._last += 1
        self.write(json.dumps({"v": 1, "id": self._last, "method": method, "params": params}) + "\n")

    def write(self, text):
        self._socket.sendall(text.encode())

    def reply(self):
        return json.loads(self._stream.readline())

    def close(self):
        self._stream.close()
        self._socket.close()


class TestCase(unittest.TestCase):
    """A folder for the test, what runs in it, and the three parts of an error."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="harness-process-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.state = self.folder / "state"
        self.asked = {}

    def spawn(self, *words, prefix=(), **options):
        process = Process([*prefix, HARNESS, "--state", str(self.state), *map(str, words)], **options)
        self.addCleanup(process.kill)
        return process

    def node(self, name, cluster, *words, **options):
        """A running node that listens at a port of the system's choice."""
        process = self.spawn(
            "node",
            "up",
            name,
            "--cluster",
            self.file("cluster.toml", cluster),
            "--any-port",
            "--with-parent",
            *words,
            **options,
        )
        at = process.wait_for(rf"node {name} is up(?: at (\S+);)?")
        process.address = (at.group(1) or "").rstrip(",")
        return process

    def admin(self, name, cluster="test"):
        """A new connection to a node."""
        client = Admin(self.state / cluster / name)
        self.addCleanup(client.close)
        return client

    def ask(self, node, method, **params):
        """What a node answers, over the connection that is kept to it; {} for an error."""
        if node not in self.asked:
            self.asked[node] = self.admin(node)
        return self.asked[node].ask(method, **params).get("result", {})

    def tell(self, name, peer, address, cluster="test"):
        """Tells node `name` where `peer` listens."""
        self.assertIn("result", self.admin(name, cluster).ask("peer.set", node=peer, addresses=[address]))

    def introduce(self, name, peer, cluster="test", facts=True):
        """Tells node `name` where `peer` listens, and with `facts` also its host and user."""
        status = self.admin(peer, cluster).ask("node.show")["result"]
        told = {key: status[key] for key in ("addresses", "host", "user") if facts or key == "addresses"}
        self.assertIn("result", self.admin(name, cluster).ask("peer.set", node=peer, **told))

    def pair(self, link='stack = "frag @ tcp"', **options):
        """Nodes a and b with one link, `main`, which is up."""
        cluster = two_nodes(link)
        b = self.node("b", cluster, **options.get("b", {}))
        a = self.node("a", cluster, **options.get("a", {}))
        self.tell("a", "b", b.address)
        a.wait_for("link main to b is up")
        b.wait_for("link main to a is up")
        return a, b

    def counter(self, node, layer, name):
        """What a layer of the link `main` counts."""
        for told in self.ask(node, "link.show", link="main")["layers"]:
            if told["name"] == layer:
                return next(int(value["value"]) for value in told["values"] if value["name"] == name)
        return 0

    def until(self, holds, why=lambda: "it never came to hold"):
        """Asks every few milliseconds, for what no process tells by itself; fails with `why`."""
        end, pause = time.monotonic() + DEADLINE_S, threading.Event()
        while not holds():
            pause.wait(0.005)
            self.assertTrue(time.monotonic() < end, time.monotonic() < end or why())

    def file(self, name, content):
        path = self.folder / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8")
        return path

    def run_harness(self, *words, code=None, **options):
        """Runs a command to its end; `code` names the exit code that it must have."""
        done = subprocess.run(
            [HARNESS, "--state", str(self.state), *map(str, words)],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            cwd=self.folder,
            **options,
        )
        if code is not None:
            self.assertEqual(done.returncode, CODES[code], f"{words}\n{done.stdout}{done.stderr}")
        return done

    def assert_error(self, text, what, because, advice=""):
        """The text is an error in three parts that hold these words."""
        match = re.search(r"error: (.+)\nbecause: ([\s\S]+?)\ntry: (.+)", text)
        self.assertIsNotNone(match, f"no error in three parts:\n{text}")
        for part, wanted in zip(match.groups(), (what, because, advice)):
            self.assertRegex(part, wanted or r"\w", text)


def two_nodes(link, extra=""):
    return f"""name = "test"
{extra}
[nodes.a]
listen = "tcp:127.0.0.1:0"
[nodes.b]
listen = "tcp:127.0.0.1:0"
[links.main]
from = "a"
to = "b"
{link}
"""


def below(folder):
    """The files below a folder, as paths relative to it; it may change meanwhile."""
    paths = (os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)
    return sorted(os.path.relpath(path, folder) for path in paths if os.path.isfile(path))


def free_ports(count):
    """Ports that nobody has, below those that the system gives to whoever asks for any."""
    free = []
    while len(free) < count:
        port = random.randrange(10_000, 32_000)
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(type=kind) as trial:
                    trial.bind(("127.0.0.1", port))
        except OSError:
            continue
        free += [port] if port not in free else []
    return free


def interrupt(process):
    """Ctrl-C, once the program has begun to listen for it, and the exit code."""
    end, pause = time.monotonic() + DEADLINE_S, threading.Event()
    while not process.catches(signal.SIGINT) and time.monotonic() < end:
        pause.wait(0.005)
    process.signal(signal.SIGINT)
    return process.wait()


def main():
    signal.alarm(280 * TIME_FACTOR)  # ends the file before ctest does, and leaves nothing behind
    unittest.main(verbosity=2, argv=[sys.argv[0], *sys.argv[1:]])
