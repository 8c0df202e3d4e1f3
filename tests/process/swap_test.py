#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A link between two processes takes another stack while it carries traffic, asked for at either end."""

import itertools
import json
import os
import random
import unittest
from collections import Counter

from support import TestCase, main

BOTH = '["tcp:127.0.0.1:0", "udp:127.0.0.1:0", "shm:"]'
STACKS = [
    "frag @ tcp",
    "frag @ shm",
    "mux / compress / frag @ tcp",
    "order / frag / reliable @ udp",
    "order / frag / reliable / encrypt @ udp",
    "frag / encrypt @ tcp",
    "compress / frag / encrypt @ shm",
    "resume / frag @ tcp",
    "resume / order / frag / reliable @ udp",
]
# What a campaign walks over: {transport} × {plain, suite} × {as it is, compressed}.
CAMPAIGN = [
    f"{pack}order / frag{' / reliable' if transport == 'udp' else ''}{keys} @ {transport}"
    for transport, keys, pack in itertools.product(
        ("tcp", "udp", "shm"),
        ("", " / encrypt(suite=aes)", " / encrypt(suite=chacha)"),
        ("", "compress / "),
    )
]


def tour(stacks, rng):
    """From each stack to each, itself too, exactly once: an Eulerian circuit, by Hierholzer."""
    ways = {one: rng.sample(stacks, len(stacks)) for one in stacks}
    path, circuit = [stacks[0]], []
    while path:
        ways_out = ways[path[-1]]
        if ways_out:
            path.append(ways_out.pop())
        else:
            circuit.append(path.pop())
    return circuit[::-1]


def cluster(link='stack = "frag @ tcp"'):
    return f"""name = "test"
[nodes.a]
host = "here"
listen = {BOTH}
[nodes.b]
host = "here"
listen = {BOTH}
[links.main]
from = "a"
to = "b"
{link}
"""


class Swaps(TestCase):
    def start(self, domain=True, text=None):
        text = text or cluster()
        if domain:
            self.run_harness("domain", "create", "local", code="ok")
        self.b, self.a = self.node("b", text), self.node("a", text)
        for one, other in (("a", "b"), ("b", "a")):
            self.introduce(one, other)
        self.a.wait_for("link main to b is up")
        self.b.wait_for("link main to a is up")

    def swap(self, stack, *words, node="a", code="ok"):
        return self.run_harness("link", "swap", "main", stack, "--node", node, *words, code=code)

    def stack(self, node="a"):
        return self.ask(node, "link.show", link="main")["link"]["stack"]

    def test_a_dry_run_tells_the_plan_and_changes_nothing(self):
        self.start(domain=False)
        plan = self.swap("order / frag @ shm", "--dry-run").stdout
        self.assertRegex(plan, r"now +frag @ tcp\n +then +order / frag @ shm\n +dials +shm:\S+")
        self.assertEqual(self.stack(), "frag @ tcp")

    def test_under_load_between_all_kinds_of_stacks_nothing_is_lost_doubled_or_reordered(self):
        self.start()
        for number, stack in enumerate(STACKS[1:] + STACKS[:1]):
            node = "ab"[number % 2]
            told = json.loads(self.swap(stack, "--prove", "--json", node=node).stdout)
            load = told["load"]
            self.assertEqual(
                (load["lost"], load["doubled"], load["disordered"], load["damaged"]), (0, 0, 0, 0), stack
            )
            self.assertGreater(load["received"], 100, stack)
            self.assertEqual(told["swaps"][0]["after"], stack)
            for one in "ab":
                self.until(lambda one=one: self.stack(one) == stack)

    def test_a_campaign_over_pairs_of_stacks_under_load_loses_doubles_and_reorders_nothing(self):
        """HARNESS_SWAPS=2000 walks over every ordered pair several times; a test run over a few."""
        wanted = int(os.environ.get("HARNESS_SWAPS", "36"))
        rng = random.Random(int(os.environ.get("HARNESS_SEED", "5")))
        self.start(text=cluster(f'stack = "{CAMPAIGN[0]}"'))
        judge, ask = self.admin("a"), {node: self.admin(node) for node in "ab"}
        pairs, total, at = Counter(), Counter(), CAMPAIGN[0]
        walk = itertools.chain.from_iterable(tour(CAMPAIGN, rng)[1:] for _ in itertools.count())
        while pairs.total() < wanted:
            judge.start("link.load", link="main", bytes=1024, checked=True, duration_ms=2000)
            for stack in itertools.islice(walk, min(36, wanted - pairs.total())):
                node = rng.choice("ab")
                told = ask[node].ask("link.swap", link="main", stack=stack)
                self.assertIn("result", told, (at, stack, node))
                for one in "ab":
                    self.until(
                        lambda one=one, stack=stack: self.stack(one) == stack,
                        lambda at=at, stack=stack, node=node: (
                            f"from {at} to {stack}, asked at {node}, after {pairs.total()} swaps",
                            [self.ask(each, "link.show", link="main").get("link") for each in "ab"],
                            self.a.lines[-6:],
                            self.b.lines[-6:],
                        ),
                    )
                pairs[at, stack] += 1
                at = stack
            while "progress" in (reply := judge.reply()):
                pass
            total.update({key: value for key, value in reply["result"].items() if isinstance(value, int)})
        found = {key: total[key] for key in ("received", "lost", "doubled", "disordered", "damaged")}
        print(f"{pairs.total()} swaps over {len(pairs)} ordered pairs: {found}")
        self.assertEqual(sum(found.values()), found["received"])
        self.assertGreater(found["received"], 1000)

    def test_files_on_their_way_arrive(self):
        self.start(domain=False)
        self.file("large", bytes(range(256)) * 400_000)
        sending = self.spawn("send", self.folder / "large", "b", "--node", "a")
        for stack in ("frag @ shm", "order / frag / reliable @ udp", "frag @ tcp"):
            self.swap(stack)
        self.assertEqual(sending.wait(), 0, sending.lines)

    def test_what_may_not_be_is_refused_and_the_link_stands(self):
        self.start(domain=False, text=cluster('require = ["reliable", "ordered"]\nprefer = ["tcp"]'))
        before = self.stack()
        refused = [
            ("@ udp", "error", r"reliable|ordered|fifo"),
            ("frag / encrypt @ tcp", "denied", r"no certificate|prove"),
            ("frag @ loop", "error", r"loop"),
            ("frog @ tcp", "not found", r"mean frag"),
        ]
        for stack, code, words in refused:
            done = self.run_harness("link", "swap", "main", stack, "--node", "a")
            self.assertNotEqual(done.returncode, 0, (stack, code))
            self.assertRegex(done.stderr, words)
            self.assert_error(done.stderr, r"\w", r"\w")
        self.assertEqual(self.stack(), before)
        self.file("after", b"x" * 1000)
        self.run_harness("send", "after", "b", "--node", "a", code="ok")

    def test_a_transport_that_comes_to_be_known_is_taken_by_itself(self):
        text = cluster('require = ["reliable", "ordered"]')
        self.b, self.a = self.node("b", text), self.node("a", text)
        status = self.ask("b", "node.show")
        tcp = [one for one in status["addresses"] if one.startswith("tcp:")]
        told = {"host": status["host"], "user": status["user"]}
        self.admin("a").ask("peer.set", node="b", addresses=tcp, **told)
        self.a.wait_for(r"link main to b is up: .*@ tcp")
        self.admin("a").ask("peer.set", node="b", addresses=status["addresses"], **told)
        self.a.wait_for(r"link main to b swapped: .*@ shm")
        self.until(lambda: self.stack("b").endswith("@ shm"))

    def test_an_encrypted_link_renews_its_keys_while_files_cross_it(self):
        stacks = ("frag / encrypt @ tcp", "order / frag / reliable / encrypt @ udp")
        for number, stack in enumerate(stacks):
            with self.subTest(stack):
                self.state = self.folder / f"state{number}"
                self.asked = {}
                self.start(text=cluster(f'stack = "{stack}"\nnew_keys = "200ms"'))
                self.file("large", bytes(range(256)) * 100_000)
                for _ in range(2):
                    self.run_harness("send", "large", "b", "--node", "a", code="ok")
                    self.a.lines.clear()
                    self.a.wait_for("link main to b has new keys")
                self.until(lambda: self.ask("b", "link.show", link="main")["link"]["state"] == "up")
                self.assertEqual(self.stack(), stack)

    def test_a_peer_killed_in_the_middle_of_swaps_leaves_a_link_that_opens_again(self):
        self.start(domain=False)
        for _ in range(3):
            swapping = self.spawn("link", "swap", "main", "frag @ shm", "--node", "a", "--prove")
            self.b.kill()
            swapping.wait()  # whatever came of it: it ends
            self.a.wait_for("link main to b is down")
            self.b = self.node("b", cluster())
            for one, other in (("a", "b"), ("b", "a")):
                self.introduce(one, other)
            self.until(lambda: self.ask("a", "link.show", link="main")["link"]["state"] == "up")
            self.a.lines.clear()
            self.file("after", b"x" * 1000)
            self.run_harness("send", "after", "b", "--node", "a", code="ok")


if __name__ == "__main__":
    main()
