#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Domains, certificates and tokens as a person meets them: commands, exit codes, what stands on disk."""

import json
import stat
import subprocess
import unittest

from support import CODES, DEADLINE_S, ENVIRONMENT, HARNESS, TestCase, interrupt, main

CLUSTER = """name = "test"
[domains.lab]
[domains.office]
[nodes.a]
domain = "lab"
listen = "tcp:127.0.0.1:0"
[nodes.b]
domain = "office"
listen = "tcp:127.0.0.1:0"
[nodes.c]
domain = "lab"
"""


def mistype(line):
    """The line with one letter in its middle exchanged."""
    at = len(line) // 2
    return line[:at] + ("x" if line[at] != "x" else "y") + line[at + 1 :]


class Identity(TestCase):
    def setUp(self):
        super().setUp()
        self.cluster = self.file("harness.toml", CLUSTER)
        self.elsewhere = self.folder / "elsewhere"  # the state of another machine

    def run_there(self, *words, code="ok", **options):
        """On the other machine."""
        return self.run_harness("--state", self.elsewhere, *words, code=code, **options)

    def run_harness(self, *words, code="ok", **options):
        if "--state" in words:
            at = words.index("--state")
            state, words = words[at + 1], words[:at] + words[at + 2 :]
        else:
            state = self.state
        text = options.pop("text_in", None)
        done = subprocess.run(
            [HARNESS, "--state", str(state), *map(str, words)],
            env=ENVIRONMENT,
            input=text if text is not None else "",
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            cwd=self.folder,
            check=False,
            **options,
        )
        self.assertEqual(done.returncode, CODES[code], f"{words}\n{done.stdout}{done.stderr}")
        return done

    def out(self, *words, **options):
        return self.run_harness(*words, **options).stdout.strip()

    def told(self, *words, **options):
        return json.loads(self.run_harness(*words, "--json", **options).stdout)

    def secret(self, name, content):
        path = self.file(name, content)
        path.chmod(0o600)
        return path

    def mode(self, path):
        return stat.S_IMODE((self.state / path).stat().st_mode)


class Domains(Identity):
    def test_every_domain_of_the_cluster_file_is_made_and_believes_the_others(self):
        self.assertIn("lab", self.out("domain", "create", "--dry-run"))
        self.assertFalse(self.state.exists())
        self.assertRegex(self.out("domain", "create"), r"lab +[0-9a-z]{4}-[\s\S]*next: harness node up --all")
        self.assertEqual(self.mode("domains/lab"), 0o700)
        self.assertEqual(self.mode("domains/lab/root.key"), 0o600)
        shown = self.told("domain", "show", "lab")
        self.assertTrue(shown["holds_root"])
        self.assertEqual([one["name"] for one in shown["believes"]], ["lab", "office"])
        self.assertEqual(shown["believes"][1]["floor"], "authenticated, forward secret")
        self.assertIn("was there", self.out("domain", "create"))
        done = self.run_harness("domain", "create", "lab", code="conflict")
        self.assert_error(done.stderr, "a domain lab already", "folder", "harness domain show lab")
        self.assertEqual(self.told("domain", "ls")["domains"][0]["name"], "lab")

    def test_a_foreign_domain_is_believed_by_its_fingerprint_and_one_way(self):
        self.run_harness("domain", "create", "lab")
        self.run_there("domain", "create", "office")
        office = json.loads(self.run_there("domain", "show", "office", "--json").stdout)
        done = self.run_harness("domain", "trust", "lab", office["line"], code="usage")
        self.assert_error(done.stderr, "compared", office["root"], "--fingerprint")
        wrong = "0000-" + office["root"][5:]
        done = self.run_harness(
            "domain", "trust", "lab", office["line"], "--fingerprint", wrong, code="wrong root"
        )
        self.assert_error(done.stderr, "the root is another one", office["root"], "domain show office")
        words = ("domain", "trust", "lab", "-", "--fingerprint", office["root"])
        self.run_harness(*words, text_in=office["line"])
        self.assertEqual(len(self.told("domain", "show", "lab")["believes"]), 2)
        there = json.loads(self.run_there("domain", "show", "office", "--json").stdout)
        self.assertEqual(len(there["believes"]), 1)
        self.run_harness("domain", "distrust", "lab", "office")
        self.assertEqual(len(self.told("domain", "show", "lab")["believes"]), 1)

    def test_a_domain_is_not_exchanged_under_its_name(self):
        self.run_harness("domain", "create", "lab", "office")
        self.run_there("domain", "create", "office")
        self.run_harness("domain", "trust", "lab", "office")
        other = json.loads(self.run_there("domain", "show", "office", "--json").stdout)["line"]
        done = self.run_harness("domain", "trust", "lab", other, "--yes", code="wrong root")
        self.assert_error(done.stderr, "the root is another one", "lab believes", "distrust lab office")

    def test_a_key_that_others_may_read_is_refused_with_the_chmod_to_type(self):
        self.run_harness("domain", "create", "lab")
        key = self.state / "domains/lab/root.key"
        key.chmod(0o644)
        done = self.run_harness("node", "enroll", "a", code="denied")
        self.assert_error(done.stderr, "can be read by others", "0644", f"chmod 600 {key}")

    def test_a_wrapped_root_opens_by_its_passphrase_only(self):
        words = self.secret("words", "correct horse\n")
        self.run_harness("domain", "create", "lab", "--passphrase", words)
        done = self.run_harness("node", "enroll", "a", code="denied")
        self.assert_error(done.stderr, "wrapped by a passphrase", "none was given", "--passphrase")
        done = self.run_harness("node", "enroll", "a", "--passphrase", "-", text_in="wrong\n", code="denied")
        self.assert_error(done.stderr, "passphrase is wrong", r"\w", r"\w")
        self.run_harness("node", "enroll", "a", "--passphrase", "-", text_in="correct horse\n")
        with open(words, encoding="ascii") as file:
            self.run_harness(
                "node", "enroll", "a", "--passphrase", f"fd:{file.fileno()}", pass_fds=[file.fileno()]
            )
        words.chmod(0o644)
        self.run_harness("node", "enroll", "a", "--passphrase", words, code="denied")

    def test_a_floor_is_signed_by_both_and_never_brought_back(self):
        self.run_harness("domain", "create", "lab")
        self.run_there("domain", "create", "office")
        line = {
            "lab": self.told("domain", "show", "lab")["line"],
            "office": json.loads(self.run_there("domain", "show", "office", "--json").stdout)["line"],
        }
        self.run_harness("domain", "trust", "lab", line["office"], "--yes")
        self.run_there("domain", "trust", "office", line["lab"], "--yes")
        half = self.out("domain", "floor", "lab", "office", "--require", "encrypted")
        done = self.run_harness("domain", "accept", half, code="denied")
        self.assert_error(done.stderr, "not complete", "signature", "domain sign")
        whole = self.run_there("domain", "sign", "-", text_in=half).stdout.strip()
        self.assertNotEqual(half, whole)
        self.run_harness("domain", "accept", whole)
        for shown in (
            self.told("domain", "show", "lab")["believes"][1],
            json.loads(self.run_there("domain", "show", "office", "--json").stdout)["believes"][0],
        ):
            self.assertEqual((shown["floor"], shown["signed"]), ("encrypted", True))
        second = self.out("domain", "floor", "lab", "office", "--require", "forward-secret")
        self.run_harness("domain", "accept", self.run_there("domain", "sign", "-", text_in=second).stdout)
        done = self.run_harness("domain", "accept", whole, code="conflict")
        self.assert_error(done.stderr, "older", "serial is 1, that in force has 2", r"\w")
        done = self.run_harness("domain", "accept", mistype(whole), code="failed")
        self.assert_error(done.stderr, "mistyped or cut", r"\w", r"\w")

    def test_a_shared_secret_comes_by_standard_input_and_stays_private(self):
        self.run_harness("domain", "create")
        self.run_harness("domain", "secret", "lab", "office", "-", text_in="x" * 32)
        self.assertEqual(self.mode("domains/lab/trust/office/psk"), 0o600)
        self.assertTrue(self.told("domain", "show", "lab")["believes"][1]["secret"])
        self.run_harness("domain", "secret", "lab", "office", "-", text_in="x" * 31, code="usage")


class Nodes(Identity):
    def test_a_node_is_enrolled_where_the_root_is_and_shown(self):
        self.run_harness("domain", "create")
        self.run_harness("node", "enroll", "a", "--dry-run")
        self.assertEqual(self.told("node", "show", "a")["certificate"], "none")
        self.assertIn("next: harness node up a", self.out("node", "enroll", "a", "--life", "30d"))
        shown = self.told("node", "show", "a")
        self.assertEqual((shown["name"], shown["key"]), ("spiffe://lab/node/a", "mode 0600"))
        self.assertRegex(shown["certificate"], r"holds until 2\d\d\d-.*, (29|30) days")
        self.assertEqual(shown["root"], self.told("domain", "show", "lab")["root"])
        self.assertEqual(self.mode("test/a/node.key"), 0o600)
        done = self.run_harness("node", "enroll", "aa", code="not found")
        self.assert_error(done.stderr, "no node 'aa'", "a, b, c", r"\w")

    def test_a_running_node_tells_who_it_is(self):
        self.run_harness("domain", "create")
        a = self.node("a", CLUSTER)
        a.wait_for("this is spiffe://lab/node/a, enrolled here, until")
        status = self.admin("a").ask("node.show")["result"]
        self.assertEqual(status["identity"], "spiffe://lab/node/a")
        self.assertEqual(status["root"], self.told("domain", "show", "lab")["root"])
        self.assertRegex(self.out("node", "ls"), "lab, [67] days")
        done = self.run_harness("doctor", "--json", code="ok")
        found = {one["what"]: one for one in json.loads(done.stdout)["findings"]}
        self.assertIn("spiffe://lab/node/a holds until", found["identity of test/a"]["found"])
        self.assertIn("here", found["domain lab"]["found"])
        self.assertIn("told", self.out("domain", "distrust", "lab", "office"))
        self.assertEqual(interrupt(a), 0)

    def test_a_node_without_a_domain_runs_as_before(self):
        a = self.node("a", CLUSTER)
        self.assertEqual(self.admin("a").ask("node.show")["result"]["identity"], "")
        self.assertIn("result", self.admin("a").ask("identity.reload"))
        self.assertEqual(interrupt(a), 0)

    def test_every_node_of_the_file_runs_by_one_command(self):
        self.run_harness("domain", "create")
        process = self.spawn("node", "up", "--all", "--cluster", self.cluster, "--any-port")
        for name in "abc":
            process.wait_for(f"node {name} is up")
        self.assertEqual(interrupt(process), 0)
        self.until(lambda: not self.told("node", "ls")["nodes"])

    def test_a_damaged_certificate_is_told_and_the_key_stays(self):
        self.run_harness("domain", "create")
        self.run_harness("node", "enroll", "a")
        path = self.state / "test/a/node.certificate"
        whole, key = path.read_bytes(), (self.state / "test/a/node.key").read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        done = self.run_harness("node", "up", "a", code="failed")
        self.assert_error(done.stderr, "node.certificate: .*mistyped or cut", r"\w", r"\w")
        self.run_harness("node", "enroll", "a")
        self.assertEqual((self.state / "test/a/node.key").read_bytes(), key)

    def test_a_revoked_node_does_not_start_and_gets_nothing_more(self):
        self.run_harness("domain", "create")
        self.run_harness("node", "enroll", "a")
        line = self.out("domain", "revoke", "lab", "a")
        done = self.run_harness("node", "up", "a", code="revoked")
        self.assert_error(done.stderr, "spiffe://lab/node/a: the node is revoked", "revoked", r"\w")
        done = self.run_harness("node", "enroll", "a", code="revoked")
        self.assert_error(done.stderr, "the node is revoked", "this key", "node.key")
        (self.state / "test/a/node.key").unlink()
        self.run_harness("node", "enroll", "a")
        self.assertIn("known to  lab", self.out("domain", "accept", line))
        self.run_harness("domain", "revoke", "lab", "c", code="not found")


class Joining(Identity):
    """The root is here; nodes join from the other machine."""

    def setUp(self):
        super().setUp()
        self.run_harness("domain", "create", "lab")

    def token(self, *words):
        return self.secret("token", self.out("token", "create", "lab", *words))

    def request(self, node, *words, **options):
        return self.run_there("node", "enroll", node, "--request", *words, **options).stdout.strip()

    def test_a_node_joins_by_a_token(self):
        request = self.request("c", "--token", self.token())
        self.assertNotIn("PRIVATE", request)
        answer = self.out("domain", "sign", "-", text_in=request)
        self.run_there("node", "enroll", "c", "--answer", "-", text_in=answer)
        shown = json.loads(self.run_there("node", "show", "c", "--json").stdout)
        self.assertEqual(shown["root"], self.told("domain", "show", "lab")["root"])
        self.assertIn("holds until", shown["certificate"])
        domain = json.loads(self.run_there("domain", "show", "lab", "--json").stdout)
        self.assertFalse(domain["holds_root"])
        self.assertEqual(self.told("token", "ls")["tokens"][0]["state"], "used up")

    def test_a_dry_run_of_a_request_writes_nothing(self):
        token = self.token()
        for words in ((), ("--token", token)):
            done = self.run_there("node", "enroll", "c", "--request", "--dry-run", *words)
            self.assertIn("nothing was changed", done.stdout)
            self.assertEqual(list(self.elsewhere.rglob("node.*")), [])
        request = self.request("c", "--token", token)
        kept = {path: path.read_bytes() for path in self.elsewhere.rglob("node.*")}
        self.run_there("node", "enroll", "c", "--request", "--dry-run")
        self.assertEqual(kept, {path: path.read_bytes() for path in self.elsewhere.rglob("node.*")})
        self.run_harness("domain", "sign", request)

    def test_each_wrong_token_has_its_own_exit_code(self):
        token = self.token()
        mistyped = self.secret("mistyped", mistype(token.read_text(encoding="ascii")))
        done = self.run_there("node", "enroll", "c", "--request", "--token", mistyped, code="wrong token")
        self.assert_error(done.stderr, "the token is wrong", "mistyped", "copy the whole line")
        self.run_harness("token", "check", mistyped, code="wrong token")
        self.assertIn("domain", self.out("token", "check", token))

        first, second = self.request("c", "--token", token), None
        self.run_harness("domain", "sign", first)
        self.run_harness("domain", "sign", first)  # the same key may ask again
        second = self.request("a", "--token", token)
        done = self.run_harness("domain", "sign", second, code="used-up token")
        self.assert_error(done.stderr, "the token is used up", "good for 1", "token create")

        withdrawn = self.token()
        request = self.request("a", "--token", withdrawn)
        self.run_harness("token", "revoke", self.told("token", "ls")["tokens"][1]["id"])
        done = self.run_harness("domain", "sign", request, code="wrong token")
        self.assert_error(done.stderr, "the token is wrong", "no token", "token create")

        bound = self.request("a", "--token", self.token("--for", "c"))
        done = self.run_harness("domain", "sign", bound, code="denied")
        self.assert_error(done.stderr, "not for 'a'", "for the node c", "token create")

    def test_a_token_of_another_root_is_told(self):
        other = self.folder / "third"
        self.run_harness("--state", other, "domain", "create", "lab")
        line = self.run_harness("--state", other, "token", "create", "lab").stdout
        request = self.request("c", "--token", self.secret("token", line))
        done = self.run_harness("domain", "sign", request, code="wrong root")
        self.assert_error(done.stderr, "the root is another one", r"\w", "token create")
        # And an answer of another root than the token names is not taken.
        request = self.request("c", "--token", self.token())
        answer = self.run_harness("--state", other, "domain", "sign", self.request("c")).stdout
        self.request("c", "--token", self.secret("mine", self.out("token", "create", "lab")))
        self.run_there("node", "enroll", "c", "--answer", "-", text_in=answer, code="failed")

    def test_without_a_token_somebody_vouches_and_the_root_is_compared(self):
        answer = self.out("domain", "sign", self.request("c"))
        done = self.run_there("node", "enroll", "c", "--answer", answer, code="usage")
        root = self.told("domain", "show", "lab")["root"]
        self.assert_error(done.stderr, "compared", root, "--root FP")
        self.run_there("node", "enroll", "c", "--answer", answer, "--root", "0" + root[1:], code="wrong root")
        self.run_there("node", "enroll", "c", "--answer", answer, "--root", root)
        done = self.run_there("node", "enroll", "c", "--answer", answer, code="not found")
        self.assert_error(done.stderr, "has not asked", "node.request", "--request")

    def test_a_token_shows_its_secret_once_and_in_no_list(self):
        line = self.token().read_text(encoding="ascii")
        shown = self.out("token", "ls") + self.out("token", "ls", "--json")
        self.assertNotIn(line[-30:], shown)
        self.assertEqual(self.mode("domains/lab/tokens"), 0o600)
        self.assertEqual(line.count("\n"), 0)
        self.assertLess(len(line), 80)

    def test_no_secret_is_taken_from_a_flag(self):
        line = self.token().read_text(encoding="ascii")
        done = self.run_there("node", "enroll", "c", "--request", "--token", line, code="usage")
        self.assert_error(done.stderr, "command line", "every process", "file of mode 0600")
        self.assertNotIn(line, done.stderr)


if __name__ == "__main__":
    main()
