#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which transport a link takes by the facts about its nodes, and what `link why` tells about the others."""

import json
import unittest

from support import TestCase, main

ANY = '["tcp:127.0.0.1:0", "udp:127.0.0.1:0", "shm:"]'


def cluster(link, a="", b="", listen=ANY):
    return f"""name = "test"
[nodes.a]
listen = "tcp:127.0.0.1:0"
{a}
[nodes.b]
listen = {listen}
{b}
[links.main]
from = "a"
to = "b"
{link}
"""


HERE = 'host = "here"'
NEEDS = 'require = ["reliable", "ordered"]\n'


class Policy(TestCase):
    def start(self, text, facts=False):
        """Nodes a and b; a is told where b listens, with `facts` also where it runs."""
        b = self.node("b", text)
        a = self.node("a", text)
        self.introduce("a", "b", facts=facts)
        return a, b

    def why(self, code="ok"):
        done = self.run_harness("link", "why", "main", "--node", "a", "--json", code=code)
        return json.loads(done.stdout)

    def refusals(self, why):
        return {one["stack"]: one for one in why["refused"]}

    def test_nodes_on_one_host_share_memory(self):
        a, _ = self.start(cluster(NEEDS, HERE, HERE))
        a.wait_for("link main to b is up: @ shm")
        why = self.why()
        self.assertEqual(why["trust"], "same user")
        offers = [(one["stack"], one["outcome"]) for one in why["offers"]]
        self.assertEqual(offers[0], ("@ shm", "chosen"))
        self.assertEqual({outcome for _, outcome in offers[1:]}, {"not needed"})
        self.assertEqual({one["address"].split(":")[0] for one in why["offers"]}, {"shm", "tcp", "udp"})
        self.assertEqual(set(self.refusals(why)), {"loop", "ofi"})
        self.assertRegex(self.refusals(why)["loop"]["because"], "processes are a and b")

    def test_a_node_that_tells_where_it_runs_needs_no_host_in_the_file(self):
        a, _ = self.start(cluster(NEEDS), facts=True)
        a.wait_for("link main to b is up: @ shm")

    def test_a_node_that_tells_nothing_is_not_taken_to_be_on_this_host(self):
        a, _ = self.start(cluster(NEEDS))
        a.wait_for("link main to b is up: .*@ (udp|tcp)")
        refused = self.refusals(self.why())["shm"]
        self.assertEqual(refused["what"], "shm does not reach the peer")
        self.assertRegex(refused["because"], "not known that they have one host")

    def gets_no_shared_memory(self, b, fact):
        a, _ = self.start(cluster(NEEDS, HERE, b))
        a.wait_for("link main to b is up: .*@ (udp|tcp)")
        refused = self.refusals(self.why())["shm"]
        self.assertRegex(refused["because"], fact)
        self.assertTrue(refused["asked"])

    def test_another_host_gets_no_shared_memory(self):
        self.gets_no_shared_memory('host = "there"', "hosts are here-.+ and there")

    def test_another_user_gets_no_shared_memory(self):
        self.gets_no_shared_memory(HERE + '\nuser = "4711"', "users are .+ and 4711")

    def test_another_domain_gets_no_shared_memory(self):
        here, there = HERE + '\ndomain = "lab"', HERE + '\ndomain = "office"'
        a, _ = self.start(cluster(NEEDS, here, there))
        a.wait_for("link main to b is down: node a cannot prove who it is")
        self.assertRegex(self.refusals(self.why())["shm"]["because"], "domains are lab and office")

    def test_a_link_that_prefers_ofi_tells_which_providers_there_are(self):
        a, _ = self.start(cluster(NEEDS + 'prefer = ["ofi", "tcp"]', HERE, HERE))
        a.wait_for("link main to b is up: @ (ofi|tcp)")
        text = self.run_harness("link", "why", "main", "--node", "a", code="ok").stdout
        self.assertRegex(text, "PROVIDER +DEVICE +OUTCOME|the transport ofi")
        if "@ ofi" in self.why()["stack"]:
            self.assertRegex(text, r"sent at once up to \d+ KiB, (learnt: \d|from the table: )")

    def test_a_preference_falls_through_where_the_file_allows_it_and_says_so(self):
        a, _ = self.start(cluster(NEEDS + 'prefer = ["shm", "tcp"]', HERE, 'host = "there"'))
        a.wait_for("link main to b is up: @ tcp")
        why = self.why()
        self.assertEqual([one["stack"] for one in why["offers"]], ["@ tcp"])
        refused = self.refusals(why)
        self.assertTrue(refused["shm"]["asked"])
        self.assertFalse(refused["order / reliable @ udp"]["asked"])
        self.assertRegex(
            refused["order / reliable @ udp"]["because"], "prefers shm, tcp, and nothing else is tried"
        )
        text = self.run_harness("link", "why", "main", "--node", "a", code="ok").stdout
        self.assertRegex(text, r"(?m)^@ tcp +tcp:\S+ +chosen")
        self.assertRegex(text, r"(?m)^shm +shm:\S+ +refused +shm does not reach the peer")
        self.assertRegex(text, r"(?m)^order / reliable @ udp +udp:\S+ +not tried +udp was not asked for")

    def test_a_preference_never_falls_through_to_what_it_does_not_name(self):
        a, _ = self.start(cluster(NEEDS + 'prefer = "shm"', HERE, 'host = "there"'))
        a.wait_for("link main to b is down: shm does not reach the peer")
        done = self.run_harness("ping", "b", "--node", "a", code="unreachable")
        self.assert_error(
            done.stderr,
            "link main to b is not up",
            "shm does not reach the peer.*hosts are",
            "add .* to prefer",
        )
        self.assertEqual(self.why()["offers"], [])

    def test_what_nobody_answers_is_told_with_the_stack_that_was_taken_instead(self):
        text = cluster('stack = "@ shm | frag @ tcp"', HERE, HERE)
        self.node("b", text)
        tcp = next(at for at in self.ask("b", "node.show")["addresses"] if at.startswith("tcp:"))
        a = self.node("a", text)
        told = self.admin("a").ask("peer.set", node="b", addresses=["shm:nobody-is-here", tcp])
        self.assertIn("result", told)
        a.wait_for("link main to b is up: frag @ tcp")
        offers = {one["stack"]: one["outcome"] for one in self.why()["offers"]}
        self.assertRegex(offers["@ shm"], "^failed: .+: .+")
        self.assertEqual(offers["frag @ tcp"], "chosen")


if __name__ == "__main__":
    main()
