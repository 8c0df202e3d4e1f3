#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A node joins over a link: from a machine that has a token's line and nothing else."""

import json
import subprocess
import unittest

from support import CODES, DEADLINE_S, ENVIRONMENT, HARNESS, Process, TestCase, interrupt, main

CLUSTER = """name = "test"
[nodes.a]
domain = "lab"
listen = ["tcp:127.0.0.1:0", "udp:127.0.0.1:0"]
[nodes.b]
domain = "lab"
listen = "tcp:127.0.0.1:0"
[links.main]
from = "b"
to = "a"
require = ["reliable", "ordered", "encrypted"]
"""


class Joining(TestCase):
    """Node a runs where the root is; `there` is another machine: another folder, another state."""

    def setUp(self):
        super().setUp()
        self.there = self.folder / "there"
        self.there.mkdir()
        self.run_harness("domain", "create", "lab", code="ok")
        self.a = self.node("a", CLUSTER)
        self.tcp, self.udp = self.addresses()

    def addresses(self, cluster="test"):
        told = self.admin("a", cluster).ask("node.show")["result"]["addresses"]
        return [next(one for one in told if one.startswith(kind)) for kind in ("tcp", "udp")]

    def run_there(self, *words, code="ok", text_in=""):
        done = subprocess.run(
            [HARNESS, "--state", "state", *map(str, words)],
            env=ENVIRONMENT,
            input=text_in,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            cwd=self.there,
            check=False,
        )
        self.assertEqual(done.returncode, CODES[code], f"{words}\n{done.stdout}{done.stderr}")
        return done

    def token(self, *words):
        return self.run_harness("token", "create", "lab", *words, code="ok").stdout.strip()

    def join(self, line, address, *words, code="ok"):
        return self.run_there(
            "node", "enroll", "b", "--token", "-", "--at", address, *words, code=code, text_in=line
        )

    def test_a_bare_machine_has_its_first_encrypted_message_after_three_commands(self):
        line = self.token("--for", "b")
        done = self.join(line, self.tcp)
        self.assertIn("spiffe://lab/node/b has a certificate", done.stdout)
        self.assertIn("harness.toml, from a", done.stdout)
        self.assertEqual((self.there / "harness.toml").read_text(encoding="utf-8"), CLUSTER)
        b = Process([HARNESS, "--state", "state", "node", "up", "b"], cwd=self.there)
        self.addCleanup(b.kill)
        b.wait_for("node b is up")
        facts = json.dumps(
            {"v": 1, "id": 1, "method": "peer.set", "params": {"node": "a", "addresses": [self.tcp]}}
        )
        self.tell_there("b", facts)  # the file says port 0: where a really listens
        b.wait_for("link main to a is up: .*encrypt @ tcp")
        self.run_there("ping", "a", "--count", "1")
        self.assertEqual(interrupt(b), 0)

    def tell_there(self, node, line):
        from support import Admin

        client = Admin(self.there / "state/test" / node)
        self.addCleanup(client.close)
        client.write(line + "\n")
        self.assertIn("result", client.reply())

    def test_it_works_over_datagrams_too(self):
        self.join(self.token(), self.udp)
        shown = json.loads(self.run_there("node", "show", "b", "--json").stdout)
        self.assertIn("holds until", shown["certificate"])

    def test_a_dry_run_joins_nobody_and_uses_nothing_up(self):
        line = self.token()
        done = self.join(line, self.tcp, "--dry-run")
        self.assertIn("nothing was changed", done.stdout)
        self.assertEqual(list(self.there.iterdir()), [])
        self.join(line, self.tcp)

    def test_each_wrong_token_has_its_own_exit_code_and_leaves_nothing(self):
        line = self.token()
        at = len(line) // 2
        mistyped = line[:at] + ("x" if line[at] != "x" else "y") + line[at + 1 :]
        done = self.join(mistyped, self.tcp, code="wrong token")
        self.assert_error(done.stderr, "the token is wrong", "mistyped", "copy the whole line")

        self.join(line, self.tcp)
        (self.there / "state/test/b/node.key").unlink()  # another key: another node
        done = self.join(line, self.tcp, code="used-up token")
        self.assert_error(done.stderr, "the token is used up", "good for 1", "token create")

        withdrawn = self.token()
        known = json.loads(self.run_harness("token", "ls", "--json", code="ok").stdout)["tokens"]
        self.run_harness("token", "revoke", known[-1]["id"], code="ok")
        done = self.join(withdrawn, self.tcp, code="wrong token")
        self.assert_error(done.stderr, "the token is wrong", "no token", "token create")

        done = self.join(self.token("--for", "c"), self.tcp, code="denied")
        self.assert_error(done.stderr, "not for 'b'", "for the node c", "token create")

    def test_a_token_of_another_root_is_told(self):
        self.run_there("domain", "create", "lab")
        line = self.run_there("token", "create", "lab").stdout.strip()
        done = self.join(line, self.tcp, code="wrong root")
        self.assert_error(done.stderr, r"\w", "the root is another one", r"\w")

    def test_an_address_where_nobody_answers_is_told(self):
        done = self.join(self.token(), "tcp:127.0.0.1:1", code="unreachable")
        self.assert_error(done.stderr, "cannot reach", r"\w", r"\w")
        done = self.run_there("node", "enroll", "b", "--at", self.tcp, code="usage")
        self.assert_error(done.stderr, "without a token", "--token", "token create")

    def test_a_wrapped_root_says_how_to_go_on(self):
        words = self.file("words", "correct horse\n")
        words.chmod(0o600)
        self.run_harness("domain", "create", "office", "--passphrase", words, code="ok")
        cluster = CLUSTER.replace('"lab"', '"office"').replace("test", "other")
        there = self.file("other.toml", cluster)
        self.run_harness("node", "enroll", "a", "--cluster", there, "--passphrase", words, code="ok")
        self.node("a", cluster)
        line = self.run_harness("token", "create", "office", code="ok").stdout.strip()
        done = self.join(line, self.addresses("other")[0], code="denied")
        self.assert_error(done.stderr, "passphrase", r"\w", "domain sign")


if __name__ == "__main__":
    main()
