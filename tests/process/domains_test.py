#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two domains: every link between them is encrypted and proven, or it is not; a wire between them is read."""

import json
import socket
import threading
import unittest

from support import DEADLINE_S, TestCase, free_ports, main

CANARY = bytes((7 * i * i + 3) % 251 for i in range(32))


def cluster(a="lab", b="office", link='stack = "frag / encrypt @ tcp"'):
    return f"""name = "test"
[nodes.a]
domain = "{a}"
listen = "tcp:127.0.0.1:0"
[nodes.b]
domain = "{b}"
listen = "tcp:127.0.0.1:0"
[links.main]
from = "a"
to = "b"
{link}
"""


class Wire:
    """A tcp address that passes everything on to another one and keeps it."""

    def __init__(self, onward):
        host, port = onward.removeprefix("tcp:").rsplit(":", 1)
        self._onward = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "tcp:127.0.0.1:%d" % self._listener.getsockname()[1]
        self.seen = bytearray()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                here = self._listener.accept()[0]
            except OSError:
                return
            there = socket.create_connection(self._onward, DEADLINE_S)
            there.settimeout(None)
            for ends in ((here, there), (there, here)):
                threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source, target):
        try:
            while data := source.recv(65536):
                self.seen += data
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            end.close()

    def close(self):
        self._listener.close()


class Domains(TestCase):
    def start(self, text):
        """Nodes a and b; a dials b through a wire that is read."""
        self.file("cluster.toml", text)
        b, a = self.node("b", text), self.node("a", text)
        wire = Wire(b.address)
        self.addCleanup(wire.close)
        self.tell("a", "b", wire.address)
        return a, b, wire

    def send_canary(self):
        self.file("secret", CANARY * 4096)
        self.run_harness("send", "secret", "b", code="ok")

    def domains(self):
        self.file("cluster.toml", cluster())
        self.run_harness("domain", "create", "--cluster", "cluster.toml", code="ok")

    def test_what_crosses_the_wire_shows_nothing_of_what_is_sent(self):
        self.domains()
        a, b, wire = self.start(cluster())
        a.wait_for("link main to b is up: frag / encrypt @ tcp")
        b.wait_for("link main to a is up: frag / encrypt @ tcp")
        self.send_canary()
        self.assertGreater(len(wire.seen), len(CANARY) * 4096)
        self.assertNotIn(CANARY, wire.seen)
        shown = self.run_harness("link", "show", "main", "--node", "a", "--json", code="ok").stdout
        self.assertEqual(json.loads(shown)["link"]["proven"], "spiffe://office/node/b")

    def test_a_wire_within_one_domain_shows_it_so_the_reader_can_read(self):
        a, _, wire = self.start(cluster(b="lab", link='stack = "frag @ tcp"'))
        a.wait_for("link main to b is up: frag @ tcp")
        self.send_canary()
        self.assertIn(CANARY, wire.seen)

    def test_needs_alone_derive_an_encrypted_link(self):
        self.domains()
        a, _, _ = self.start(cluster(link='require = ["reliable", "ordered"]'))
        a.wait_for("link main to b is up: .*encrypt @ tcp")

    def test_the_first_encrypted_message_takes_three_commands(self):
        (port,) = free_ports(1)
        self.file("harness.toml", cluster().replace("0.1:0", f"0.1:{port}").replace(f"{port}", "0", 1))
        self.run_harness("domain", "create", code="ok")
        up = self.spawn("node", "up", "--all", "--with-parent", cwd=self.folder)
        up.wait_for("link main to b is up: frag / encrypt @ tcp")
        self.run_harness("ping", "b", "--count", "1", code="ok")

    def test_a_node_without_a_certificate_sends_nothing_and_says_what_to_do(self):
        a, _, wire = self.start(cluster())
        a.wait_for("link main to b is down: node a cannot prove who it is")
        self.assertNotIn(b"HRN1", wire.seen)
        done = self.run_harness("ping", "b", "--node", "a", code="unreachable")
        self.assert_error(done.stderr, "main.* to b", "certificate", "harness node enroll a")

    def test_a_clear_stack_between_domains_is_refused_with_the_way_to_write_it(self):
        self.domains()
        a, _, _ = self.start(cluster(link='stack = "frag @ tcp"'))
        a.wait_for("link main to b is down: ")
        done = self.run_harness("ping", "b", "--node", "a", code="unreachable")
        self.assert_error(done.stderr, r"\w", "encrypted|authenticated", "encrypt")

    def raise_floor(self, *words):
        line = self.run_harness("domain", "floor", "lab", "lab", *words, code="ok").stdout
        self.assertTrue(line.startswith("harness-floor-"))

    def test_a_signed_floor_counts_for_the_policy_and_is_shown(self):
        self.file("cluster.toml", cluster(b="lab", link='require = ["reliable", "ordered"]'))
        self.run_harness("domain", "create", "lab", code="ok")
        self.raise_floor("--require", "encrypted")
        a, _, _ = self.start(cluster(b="lab", link='require = ["reliable", "ordered"]'))
        a.wait_for("link main to b is up: .*encrypt @ tcp")
        why = json.loads(self.run_harness("link", "why", "main", "--node", "a", "--json", code="ok").stdout)
        self.assertIn("encrypted", why["needs"])
        for words in (("--cluster", "cluster.toml"), ("--node", "a")):
            shown = self.run_harness("config", "show", "--origin", *words, code="ok").stdout
            self.assertRegex(shown, r"floors\.lab\.lab +\"encrypted\" +signed by both, serial 1")

    def test_a_written_stack_below_a_signed_floor_has_an_exit_code_of_its_own(self):
        self.file("cluster.toml", cluster(b="lab"))
        self.run_harness("domain", "create", "lab", code="ok")
        self.raise_floor("--require", "encrypted")
        a, _, wire = self.start(cluster(b="lab", link='stack = "frag @ tcp"'))
        a.wait_for("link main to b is down: the floor is not met")
        done = self.run_harness("ping", "b", "--node", "a", code="floor not met")
        self.assert_error(done.stderr, "main to b is not up", "within lab must give encrypted", "encrypt")
        self.assertNotIn(CANARY, wire.seen)

    def test_a_floor_raised_while_a_link_runs_lets_nothing_below_it_leave(self):
        link = 'require = ["reliable", "ordered"]'
        self.file("cluster.toml", cluster(b="lab", link=link))
        self.run_harness("domain", "create", "lab", code="ok")
        a, b, wire = self.start(cluster(b="lab", link=link))
        a.wait_for("link main to b is up: @ tcp")
        self.send_canary()
        self.assertIn(CANARY, wire.seen)
        before = len(a.lines)
        self.raise_floor("--require", "encrypted")
        mark = len(wire.seen)
        a.wait_for("link main to b is (down: the floor is not met|up: .*encrypt @ tcp)", before)
        a.wait_for("link main to b is up: .*encrypt @ tcp", before)
        self.send_canary()
        self.assertGreater(len(wire.seen) - mark, len(CANARY) * 4096)
        self.assertNotIn(CANARY, wire.seen[mark:])

    def test_a_domain_that_is_not_believed_gets_no_link(self):
        self.domains()
        self.run_harness("domain", "distrust", "lab", "office", code="ok")
        a, _, _ = self.start(cluster())
        a.wait_for("link main to b is down: .*(office|believed)")

    def test_a_link_that_runs_ends_when_its_peer_is_revoked(self):
        self.domains()
        a, _, _ = self.start(cluster())
        a.wait_for("link main to b is up")
        line = self.run_harness("domain", "revoke", "office", "b", code="ok").stdout.strip()
        self.run_harness("domain", "accept", line, code="ok")
        a.wait_for("link main to b is down: spiffe://office/node/b: the node is revoked")
        done = self.run_harness("ping", "b", "--node", "a", code="revoked")
        self.assert_error(done.stderr, "main to b is not up", "the node is revoked", "anew|enroll")

    def test_a_revoked_node_gets_no_link(self):
        self.domains()
        a, b, _ = self.start(cluster())
        a.wait_for("link main to b is up")
        self.run_harness("domain", "revoke", "office", "b", code="ok")
        b.kill()
        done = self.run_harness("node", "up", "b", "--cluster", "cluster.toml", code="revoked")
        self.assert_error(done.stderr, "office/node/b: the node is revoked", "office revoked", "anew")


if __name__ == "__main__":
    main()
