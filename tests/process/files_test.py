#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files over real links when something goes wrong: full disks, limits, permissions, death in the middle.

After each: what stands under its final name is complete and right, the rest is told."""

import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import unittest

from support import (
    DEADLINE_S,
    ENVIRONMENT,
    HARNESS,
    MEMORY_FACTOR,
    TestCase,
    below,
    interrupt,
    main,
    two_nodes,
)

LINK = 'stack = "frag @ tcp"'
SENDER_KIB_MAX = MEMORY_FACTOR * 30 * 1024
SMALL, LARGE = 300_000, 48 << 20
ENDLESS = 4 << 30  # too long to arrive whole before a signal does; a hole, so it costs no disk
UNPRIVILEGED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


def content(size, seed=1):
    """Bytes that compress badly and are cheap to make."""
    block = hashlib.sha256(str(seed).encode()).digest() * 2048
    return (block * (size // len(block) + 1))[:size]


class Files(TestCase):
    def received(self, node="b"):
        return self.state / "test" / node / "received"

    def complete(self, sent):
        """The received files, each equal to what was sent; partial ones count as well."""
        names = below(self.received())
        for name in names:
            whole = (self.received() / name).read_bytes()
            self.assertEqual(whole, sent.get(name.split("/")[-1]), f"{name} is not what was sent")
        return [name.split("/")[-1] for name in names]

    def tree(self, **sizes):
        """Files of these sizes in the folder `tree`: their contents."""
        (self.folder / "tree").mkdir()
        sent = {name: content(size, name) for name, size in sizes.items()}
        for name, data in sent.items():
            self.file(f"tree/{name}", data)
        return sent


class Arriving(Files):
    def test_every_byte_arrives_and_is_told_with_its_digest(self):
        self.pair()
        sent = self.tree(one=SMALL, two=0, three=LARGE)
        receive = self.spawn("recv", "--node", "b")
        receive.wait_for("waiting for files")
        done = self.run_harness("send", "tree", "b", "--json", code="ok")
        self.assertEqual(json.loads(done.stdout)["files"], 3)
        self.assertEqual(sorted(self.complete(sent)), ["one", "three", "two"])
        self.assertEqual(receive.wait(), 0, receive.lines)
        told = dict(re.findall(r"(?m)^tree/(\w+) .* ([0-9a-f]{64})$", "\n".join(receive.lines)))
        self.assertEqual(told, {name: hashlib.sha256(data).hexdigest() for name, data in sent.items()})

    def test_a_program_that_waits_is_told_when_it_does_and_then_what_came(self):
        self.pair()
        sent = self.tree(one=SMALL)
        program = self.admin("b")
        program.start("file.receive", **{"from": "a"})
        self.assertEqual(program.reply()["progress"], {"waiting": True})
        self.run_harness("send", "tree", "b", code="ok")
        told = program.reply()["result"]
        self.assertEqual((told["peer"], told["files"], told["bytes"]), ("a", 1, SMALL))
        self.assertEqual(told["list"][0]["sha256"], hashlib.sha256(sent["one"]).hexdigest())

    def test_what_came_is_json_when_json_is_asked_for(self):
        self.pair()
        sent = self.tree(one=SMALL)
        receive = self.spawn("recv", "--node", "b", "--json")
        while receive.child.poll() is None:  # with --json it does not tell when it waits
            self.run_harness("send", "tree", "b", code="ok")
        self.assertEqual(receive.wait(), 0, receive.lines)
        (told,) = json.loads(receive.lines[-1])["list"]
        self.assertEqual(told["sha256"], hashlib.sha256(sent["one"]).hexdigest())

    def test_standard_input_arrives(self):
        self.pair()
        data = content(SMALL)
        done = subprocess.run(
            [HARNESS, "--state", self.state, "send", "-", "b", "--as", "stream"],
            input=data,
            env=ENVIRONMENT,
            capture_output=True,
            timeout=DEADLINE_S,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.complete({"stream": data}), ["stream"])

    def test_a_receiver_that_stops_costs_the_sender_bounded_memory_and_goes_on(self):
        a, b = self.pair()
        before = a.rss_kib()
        sent = self.tree(large=LARGE)
        b.signal(signal.SIGSTOP)
        self.addCleanup(b.signal, signal.SIGCONT)
        send = self.spawn("send", self.folder / "tree", "b", "--node", "a")
        self.until(lambda: self.counter("a", "tcp", "holds") > 0)
        self.assertLess(a.rss_kib() - before, SENDER_KIB_MAX)
        b.signal(signal.SIGCONT)
        self.assertEqual(send.wait(), 0, send.lines)
        self.assertEqual(self.complete(sent), ["large"])


class NoRoom(Files):
    def full(self, done, *survivors):
        """The transfer failed with the reason, no partial file stands, the link still carries small files."""
        self.assert_error(done.stderr, r"\w", r"No space left|File too large", r"df -h|ulimit")
        self.assertEqual(self.complete(self.sent), list(survivors))
        self.file("after", content(1000))
        self.run_harness("send", "after", "b", code="ok")

    def test_a_full_disk_ends_the_transfer_and_leaves_no_partial_file(self):
        self.sent = self.tree(large=LARGE) | {"after": content(1000)}
        self.received().mkdir(parents=True)
        for folder in (self.received().parent, self.received()):
            folder.chmod(0o700)
        mount = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(self.received())],
            capture_output=True,
            text=True,
            check=False,
        )
        if mount.returncode != 0:
            self.skipTest(
                f"no tmpfs without root ({mount.stderr.strip()}); the limit of file sizes is tested beside"
            )
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.received())], check=False)
        self.pair()
        self.full(self.run_harness("send", "tree", "b", code="failed"))

    def test_a_limit_of_file_sizes_ends_the_transfer_and_leaves_no_partial_file(self):
        self.sent = self.tree(large=LARGE) | {"after": content(1000)}
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        self.pair(b={"preexec_fn": limit})
        self.full(self.run_harness("send", "tree", "b", code="failed"))

    def test_a_capture_on_a_full_disk_is_told(self):
        self.pair()
        tap = self.spawn("tap", "main", "-w", "/dev/full")
        self.run_harness("ping", "main", "--count", "3", "--interval", "0s", code="ok")
        self.assertEqual(interrupt(tap), 1, tap.lines)
        self.assert_error("\n".join(tap.lines), "cannot write", "No space left", "df -h")


class NotAllowed(Files):
    def test_an_unreadable_file_is_told_and_the_others_arrive(self):
        self.pair(a={"prefix": UNPRIVILEGED})
        sent = self.tree(good=SMALL, secret=10)
        (self.folder / "tree/secret").chmod(0)
        done = self.run_harness("send", "tree", "b", code="partial")
        self.assert_error(done.stderr, "1 entry did not arrive", r"tree/secret.*Permission denied", r"\w")
        self.assertEqual(self.complete(sent), ["good"])

    def test_a_file_that_is_not_there_is_told(self):
        self.pair()
        done = self.run_harness("send", "nowhere", "b", code="not found")
        self.assert_error(done.stderr, "cannot read .*nowhere", "no such file")

    def test_a_folder_that_cannot_be_written_is_told_to_the_sender(self):
        self.pair(b={"prefix": UNPRIVILEGED})
        self.tree(good=10)
        self.received().chmod(0o500)
        done = self.run_harness("send", "tree", "b", code="denied")
        self.assert_error(done.stderr, "cannot make the folder .*received/a", "Permission denied")


class Death(Files):
    """SIGKILL in the middle: the transfer is frozen by the receiver's SIGSTOP, so it is in the middle."""

    def halfway(self):
        self.a, self.b = self.pair()
        with self.file("large", b"").open("wb") as large:
            large.truncate(ENDLESS)
        send = self.spawn("send", large.name, "b", "--json")
        self.until(lambda: below(self.received()))  # received is not written: a thread writes
        self.b.signal(signal.SIGSTOP)
        return send

    def test_a_receiver_killed_in_the_middle_leaves_no_file_under_its_final_name(self):
        send = self.halfway()
        self.b.kill()
        self.assertEqual(send.wait(), 5, send.lines)
        error = json.loads(send.lines[-1])["error"]
        self.assertEqual(error["code"], "peer_lost")
        self.assertTrue(error["what"] and error["because"] and error["try"], error)
        self.assertNotIn("large", [name.split("/")[-1] for name in below(self.received())])
        again = self.node("b", two_nodes(LINK))
        again.wait_for("removed 1 unfinished file")
        self.assertEqual(below(self.received()), [])

    def test_a_sender_killed_in_the_middle_leaves_nothing_at_the_receiver(self):
        send = self.halfway()
        self.a.kill()
        self.b.signal(signal.SIGCONT)
        self.b.wait_for("link main to a is down")
        self.assertEqual(send.wait(), 5, send.lines)
        self.assertIn("error", send.lines[-1])
        self.until(lambda: self.ask("b", "node.show")["name"] == "b" and below(self.received()) == [])

    def test_ctrl_c_takes_the_transfer_back(self):
        send = self.halfway()
        send.signal(signal.SIGINT)
        self.b.signal(signal.SIGCONT)
        self.assertEqual(send.wait(), 130, send.lines)
        self.until(lambda: self.ask("b", "node.show")["name"] == "b" and below(self.received()) == [])


if __name__ == "__main__":
    main()
