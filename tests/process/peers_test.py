#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Peers that are not what they should be: other names and versions, garbage, silence, death.

The peers are written against docs/wire.md (wire.py), the nodes are the program."""

import json
import os
import signal
import struct
import unittest

import wire
from support import MEMORY_FACTOR, TestCase, interrupt, main, two_nodes

CLUSTER = two_nodes('stack = "frag @ tcp"')
SENDER_KIB_MAX = MEMORY_FACTOR * 20 * 1024  # beyond what the node had before


class Peers(TestCase):
    def status(self, node):
        """Of the link `main` at a node, as the admin socket tells it."""
        return self.ask(node, "link.show", link="main")["link"]

    def refused(self, node):
        return self.ask(node, "node.show")["refused"]

    def dialling(self, link='stack = "frag @ tcp"', **listen):
        """Node a, whose peer b is ours: the node and the connection that is up."""
        listener = wire.Listener("b")
        self.addCleanup(listener.close)
        a = self.node("a", two_nodes(link))
        self.tell("a", "b", listener.address)
        connection = listener.accept(**listen)
        self.addCleanup(connection.close)
        a.wait_for("link main to b is up")
        return a, connection


class Strangers(Peers):
    def setUp(self):
        super().setUp()
        self.b = self.node("b", CLUSTER)

    def dial(self):
        connection = wire.Connection.dial(self.b.address)
        self.addCleanup(connection.close)
        return connection

    def say_hello(self, **changes):
        connection = self.dial()
        hello = dict(sender="a", to="b", link="main", stack="frag @ tcp", incarnation=1) | changes
        connection.send(wire.SETUP, wire.hello(**hello))
        return connection

    def test_the_page_is_enough_to_open_a_link(self):
        connection = self.say_hello()
        fields = connection.receive_setup(wire.ACCEPT)
        self.assertEqual((fields.take("Q"), fields.identity()["name"]), (7, "b"))
        connection.send(wire.SETUP, wire.setup_frame(wire.READY, struct.pack("<Q", 7) + wire.NO_PROOF))
        self.b.wait_for("link main to a is up: frag @ tcp")

    def test_a_name_that_the_node_does_not_have_is_refused(self):
        what, because, advice = self.say_hello(to="c").refusal()
        self.assertRegex(what, "c")
        self.assertRegex(because + advice, "b")
        self.assertEqual(self.refused("b"), 1)

    def test_a_link_that_is_not_declared_is_refused(self):
        what, because, advice = self.say_hello(link="other").refusal()
        self.assertRegex(what, "does not expect the link other from a")
        self.assertTrue(because and advice)

    def test_a_peer_that_is_not_declared_is_refused(self):
        self.assertRegex(self.say_hello(sender="mallory").refusal()[0], "mallory")

    def test_another_version_is_refused_with_both_versions(self):
        what, because, advice = self.say_hello(version=2).refusal()
        self.assertRegex(what, "another version")
        self.assertRegex(because, "2.*1")
        self.assertTrue(advice)

    def test_a_stack_without_known_layers_is_refused(self):
        what, because, _ = self.say_hello(stack="nosuch @ tcp").refusal()
        self.assertRegex(what + because, "nosuch")

    def test_garbage_ends_the_connection_and_nothing_else(self):
        before = self.b.rss_kib()
        for garbage in (b"GET / HTTP/1.1\r\nHost: b\r\n\r\n", os.urandom(4096), b"\0" * 4096, b"\xff" * 4096):
            connection = self.dial()
            connection.socket.sendall(garbage)
            self.assertTrue(connection.ended())
        self.assertLess(self.b.rss_kib() - before, SENDER_KIB_MAX)
        self.assertEqual(self.admin("b").ask("node.show")["result"]["name"], "b")

    def test_a_set_up_frame_of_garbage_is_refused(self):
        connection = self.dial()
        connection.send(wire.SETUP, b"XXXX" + bytes(40))
        self.assertRegex(connection.refusal()[0], "does not speak Harness")

    def test_a_length_of_nearly_2_to_the_28_allocates_nothing(self):
        before = self.b.rss_kib()
        for kind in (wire.DATA, wire.SETUP):
            connection = self.dial()
            connection.send(kind, b"x" * 1000, length=2**28 - 1)
            self.assertTrue(connection.ended())
        self.assertLess(self.b.rss_kib() - before, SENDER_KIB_MAX)

    def test_strangers_who_say_nothing_do_not_keep_others_out(self):
        for _ in range(100):
            self.dial()
        self.assertEqual(self.say_hello().receive_setup(wire.ACCEPT).take("Q"), 7)


class Sessions(Peers):
    """A link that outlives its connection, and who may go on with it."""

    STACK = "resume / frag @ tcp"

    def dial(self, attempt, **changes):
        connection = wire.Connection.dial(self.b.address)
        self.addCleanup(connection.close)
        hello = dict(sender="a", to="b", link="main", stack=self.STACK, attempt=attempt) | changes
        connection.send(wire.SETUP, wire.hello(**hello))
        return connection

    def test_only_the_session_that_was_opened_goes_on(self):
        self.b = self.node("b", two_nodes(f'stack = "{self.STACK}"'))
        first = self.dial(7)
        first.receive_setup(wire.ACCEPT)
        first.send(wire.SETUP, wire.setup_frame(wire.READY, struct.pack("<Q", 7) + wire.NO_PROOF))
        self.b.wait_for("link main to a is up")
        first.close()
        self.until(lambda: self.status("b")["state"] == "resuming")
        self.assertRegex(self.dial(8, session=6).refusal()[0], "the session of link main is gone")
        self.assertRegex(self.dial(9, session=7, incarnation=2).refusal()[0], "the session .* is gone")
        self.dial(10, session=7).receive_setup(wire.ACCEPT)


class Dialled(Peers):
    def test_a_peer_that_refuses_is_told_by_every_command(self):
        a, b = self.node("a", CLUSTER), self.node("b", CLUSTER.replace("links.main", "links.other"))
        self.tell("a", "b", b.address)
        a.wait_for("link main to b is down: b does not expect the link main from a")
        self.assertRegex(self.status("a")["error"], "does not expect")
        done = self.run_harness("ping", "main", "--node", "a", code="unreachable")
        self.assert_error(done.stderr, "main", "does not expect")

    def test_a_node_of_another_name_at_the_address_is_told(self):
        cluster = CLUSTER + '[nodes.c]\nlisten = "tcp:127.0.0.1:0"\n'
        c, a = self.node("c", cluster), self.node("a", cluster)
        self.tell("a", "b", c.address)
        a.wait_for(r"link main to b is down: .*\bc\b")
        done = self.run_harness("ping", "main", "--node", "a", code="unreachable")
        self.assert_error(done.stderr, "main", r"\bc\b")

    def test_a_length_beyond_what_was_agreed_ends_the_link_as_corrupt(self):
        a, peer = self.dialling()
        before = a.rss_kib()
        peer.send(wire.DATA, b"x" * 1000, length=2**28 - 1)
        a.wait_for("link main to b is down: damaged bytes.*longer than the largest")
        self.assertTrue(peer.ended())
        self.assertLess(a.rss_kib() - before, SENDER_KIB_MAX)

    def test_garbage_on_a_link_ends_it_as_corrupt(self):
        a, peer = self.dialling()
        peer.socket.sendall(os.urandom(7) + b"\xff" * 4096)
        a.wait_for("link main to b is down: damaged bytes")

    def test_a_frame_that_a_layer_cannot_read_ends_the_link_as_corrupt(self):
        a, peer = self.dialling()
        peer.send(wire.DATA, b"\xff" * 100)
        a.wait_for(r"link main to b is down: damaged bytes .*unknown form of frag")

    def test_a_message_that_no_service_knows_is_refused_and_the_link_stays(self):
        a, peer = self.dialling()
        peer.send(wire.DATA, struct.pack("<IBB", 1 << 4, 0x77, 1))  # frag: a whole message; a kind of our own
        kind, body = peer.receive()
        self.assertEqual((kind, body[4:8]), (wire.DATA, bytes((255, 1, 0x77, 1))))
        self.assertEqual(self.status("a")["state"], "up")
        self.assertEqual(interrupt(a), 0)

    def test_a_peer_that_hangs_up_is_told_and_dialled_again(self):
        listener = wire.Listener("b")
        self.addCleanup(listener.close)
        a = self.node("a", CLUSTER)
        self.tell("a", "b", listener.address)
        listener.accept().close()
        a.wait_for("link main to b is down")
        self.addCleanup(listener.accept().close)
        a.wait_for("link main to b is up", after=len(a.lines) - 1)

    def flooded(self, link):
        """Node a whose peer has stopped reading, a `send` and a `bench` that fill the link until it holds."""
        a, _ = self.dialling(link, receive_buffer=65536)
        before = a.rss_kib()
        path = self.file("big", b"")
        os.truncate(path, 1 << 30)
        send = self.spawn("send", path, "main")
        bench = self.spawn("bench", "main", "--size", "256KiB", "--duration", "200ms")
        self.admin("a").start("link.load", link="main", bytes=65536, duration_ms=60_000)
        self.until(lambda: self.counter("a", "tcp", "holds") > 0)
        self.assertLess(a.rss_kib() - before, SENDER_KIB_MAX)
        return a, send, bench

    def test_a_peer_that_stops_reading_costs_bounded_memory_until_ctrl_c(self):
        _, send, bench = self.flooded('stack = "frag @ tcp"')
        self.assertEqual(interrupt(send), 130, send.lines)
        self.assertEqual(interrupt(bench), 130, bench.lines)
        self.assertEqual(self.status("a")["state"], "up")

    def test_a_peer_that_hangs_under_a_flood_is_lost_and_everyone_is_told(self):
        a, send, bench = self.flooded('stack = "frag / heartbeat(interval=3s) @ tcp"')
        a.wait_for("link main to b is down: lost the peer b")
        for command in (send, bench):  # one that came late is told so as the reason why there is no link
            self.assertEqual(command.wait(), 5, command.lines)
            self.assert_error("\n".join(command.lines), r"\w", r"\w", r"\w")
            self.assertIn("lost the peer b", "\n".join(command.lines))

    def test_heartbeat_ends_a_link_whose_peer_hangs(self):
        a, _ = self.dialling('stack = "frag / heartbeat(interval=50ms) @ tcp"')
        a.wait_for("link main to b is down: lost the peer b")


class Death(Peers):
    def test_a_killed_peer_is_told_within_a_turn_and_comes_back(self):
        a, b = self.pair()
        b.kill()
        a.wait_for("link main to b is down: .*b")
        done = self.run_harness("ping", "main", code="unreachable")
        self.assert_error(done.stderr, "main", r"\w", r"\w")
        mark = len(a.lines)
        again = self.node("b", CLUSTER)
        self.tell("a", "b", again.address)
        a.wait_for("link main to b is up", after=mark)
        result = json.loads(
            self.run_harness("ping", "main", "--count", "2", "--interval", "0s", "--json", code="ok").stdout
        )
        self.assertEqual((result["v"], result["received"]), (1, 2))

    def test_a_killed_peer_ends_a_run_of_pings_with_what_there_is(self):
        _, b = self.pair()
        ping = self.spawn("ping", "main", "--count", "0", "--interval", "1ms", "--timeout", "1s")
        ping.wait_for("a to b: +3 ")
        b.kill()
        self.assertEqual(ping.wait(), 0)
        ping.wait_for(r"\d+ of \d+ pings came back")

    def test_a_node_that_is_asked_to_end_closes_its_links_in_order(self):
        a, b = self.pair()
        self.run_harness("node", "down", "b", code="ok")
        self.assertEqual(b.wait(), 0)
        a.wait_for("link main to b is down: b closed the link")

    def test_sigterm_ends_a_node_in_order(self):
        a, b = self.pair()
        b.signal(signal.SIGTERM)
        self.assertEqual(b.wait(), 0)
        a.wait_for("b closed the link")


if __name__ == "__main__":
    main()
