#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a person does wrong: every mistake is an error in three parts with the right exit code."""

import json
import os
import signal
import socket
import subprocess
import unittest

from support import CODES, ENVIRONMENT, HARNESS, TestCase, interrupt, main, two_nodes

CLUSTER = two_nodes('stack = "frag @ tcp"')
UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


class Mistakes(TestCase):
    def refuses(self, words, code, what, because, advice):
        self.assert_error(self.run_harness(*words, code=code).stderr, what, because, advice)

    def test_an_unknown_layer_is_told_with_the_known_ones_and_the_one_that_was_meant(self):
        self.refuses(
            ["stack", "explain", "ordr / frag @ tcp"], "not found", "no layer 'ordr'", "frag", "mean order"
        )

    def test_an_unknown_transport_is_told_with_the_one_that_was_meant(self):
        self.refuses(["stack", "check", "frag @ tpc"], "not found", "no transport 'tpc'", "tcp", "mean tcp")

    def test_an_unknown_option_is_told_with_the_one_that_was_meant(self):
        self.refuses(
            ["stack", "check", "frag(siez=1KiB) @ tcp"], "not found", "no option of frag", "size", "mean size"
        )

    def test_an_option_out_of_bounds_is_told_with_its_bounds(self):
        self.refuses(["stack", "check", "frag(size=1GiB) @ tcp"], "usage", "size", r"\d", r"\w")

    def test_an_unknown_property_is_told_with_the_one_that_was_meant(self):
        self.refuses(
            ["stack", "compose", "--require", "orderd"], "not found", "orderd", r"\w", "mean ordered"
        )

    def test_a_stack_that_cannot_work_is_refused_with_need_layers_and_fix(self):
        self.refuses(
            ["stack", "check", "order @ tcp", "--require", "encrypted"],
            "denied",
            "needs encrypted",
            "tcp does not give it",
            "add encrypt directly above tcp",
        )

    def test_unknown_words_are_told_with_those_that_were_meant(self):
        for words, meant in (
            (["nod", "ls"], "node"),
            (["node", "lss"], "ls"),
            (["ping", "b", "--cout", "3"], "--count"),
            (["stak"], "stack"),
        ):
            self.refuses(words, "usage", r"\w", r"\w", f"mean {meant}")
        self.refuses(["ping"], "usage", "harness ping", "link is required", "harness ping --help")
        self.refuses([], "usage", r"\w", r"\w", "harness --help")

    def test_an_option_in_front_of_a_command_that_has_none_such_is_told_as_behind_it(self):
        for words in (
            ["--node", "a", "stack", "explain", "frag @ tcp"],
            ["--node=a", "stack", "explain", "frag @ tcp"],
            ["stack", "explain", "frag @ tcp", "--node", "a"],
        ):
            what = "harness stack explain has no option '--node'"
            self.refuses(words, "usage", what, "--measure", "harness stack explain --help")
        for words in (["--nod", "a", "link", "ls"], ["--nod=a", "link", "ls"]):
            self.refuses(words, "usage", "harness has no option '--nod'", "--json", "harness --help")
        self.refuses(["--node", "a"], "usage", "harness needs a command behind it", "link", "--help")
        self.refuses(["--node", "a", "lnk"], "usage", "harness has no command 'lnk'", "link", "mean link")

    def test_errors_are_json_when_json_is_asked_for(self):
        for words, code in (
            (["stack", "check", "ordr @ tcp"], "not_found"),
            (["node", "lss"], "invalid"),
            (["ping", "b"], "not_found"),
        ):
            error = json.loads(self.run_harness(*words, "--json").stderr)
            self.assertEqual((error["v"], error["error"]["code"]), (1, code))
            self.assertEqual(set(error["error"]), {"code", "what", "because", "try"})

    def test_a_command_to_nobody_says_that_no_node_runs(self):
        self.refuses(["link", "ls"], "not found", "no node runs here", r"state", "harness node up")


class OptionsInFront(TestCase):
    def test_they_mean_what_they_mean_behind_the_command(self):
        self.node("a", CLUSTER)
        behind = self.run_harness("link", "ls", "--node", "a", "--json", code="ok").stdout
        self.assertIn('"node":"a"', behind)
        for words in (
            ["--node", "a", "--json", "link", "ls"],
            ["--node=a", "link", "ls", "--json"],
            ["link", "--node", "a", "ls", "--json"],
        ):
            self.assertEqual(self.run_harness(*words, code="ok").stdout, behind, words)
        for words in (["link", "why", "main"], ["link", "why", "--", "main"], ["ping", "b", "--count", "1"]):
            done = self.run_harness("--node", "nobody", *words, code="not found")
            self.assert_error(done.stderr, "no node 'nobody' runs here", r"\w")

    def test_each_of_several_and_one_without_a_value_goes_behind(self):
        settings = ["--set", "defaults.quota=32MiB", "--set", "defaults.linger=7s"]
        show = ["config", "show", "--cluster", self.file("good.toml", CLUSTER)]
        behind = self.run_harness(*show, *settings, code="ok").stdout
        self.assertRegex(behind, r'quota +"32MiB"[^$]*linger +"7s"')
        self.assertEqual(self.run_harness(*settings, *show, code="ok").stdout, behind)
        self.run_harness("--dry-run", "domain", "create", "lab", code="ok")
        self.run_harness("domain", "show", "lab", code="not found")


class ClusterFiles(TestCase):
    def refuses(self, content, code, what, because, advice=""):
        path = self.file("bad.toml", content)
        done = self.run_harness("config", "show", "--cluster", path, code=code)
        self.assert_error(done.stderr, what, because, advice)

    def test_a_missing_file_is_told(self):
        done = self.run_harness("node", "up", "a", "--cluster", "nowhere.toml", code="not found")
        self.assert_error(done.stderr, "nowhere.toml", "No such file", "--cluster")

    def test_a_file_without_permission_is_told(self):
        path = self.file("secret.toml", CLUSTER)
        path.chmod(0)
        done = subprocess.run(
            [*UNPRIVILEGED, HARNESS, "node", "up", "a", "--cluster", str(path)],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, CODES["denied"])
        self.assert_error(done.stderr, "secret.toml", "Permission denied")

    def test_a_folder_is_no_cluster_file(self):
        done = self.run_harness("config", "show", "--cluster", self.folder, code="usage")
        self.assert_error(done.stderr, "cannot read", "directory")

    def test_broken_toml_is_told_with_line_and_column(self):
        self.refuses('[nodes.a]\nlisten = "tcp:1\n', "usage", r"bad\.toml:2:\d+", r"\w")

    def test_an_unknown_key_is_told_with_its_place_and_the_one_that_was_meant(self):
        self.refuses(CLUSTER + 'qouta = "1MiB"\n', "usage", r"bad\.toml:11:\d+.*qouta", r"\w", "mean quota")

    def test_a_wrong_value_is_told_with_its_place(self):
        self.refuses(CLUSTER + 'quota = "many"\n', "usage", r"bad\.toml:11:\d+.*many", r"\w")
        self.refuses(
            CLUSTER.replace("frag @ tcp", "fragg @ tcp"),
            "not found",
            r"bad\.toml:10:\d+.*fragg",
            r"\w",
            "frag",
        )
        self.refuses(CLUSTER.replace('to = "b"', 'to = "bb"'), "not found", r"bad\.toml:9:\d+.*bb", r"\w")

    def test_bytes_that_are_no_text_are_told(self):
        self.refuses(b"\x00\xff\xfe" * 100, "usage", r"bad\.toml:1:\d+", r"\w")

    def test_a_file_beyond_the_bound_is_told(self):
        self.refuses("# \n" * 400_000, "failed", "too large", r"at most 1048576")


class Starting(TestCase):
    def test_a_port_in_use_is_told_with_the_place_of_the_setting(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            path = self.file("taken.toml", CLUSTER.replace("127.0.0.1:0", f"127.0.0.1:{port}", 1))
            done = self.run_harness("node", "up", "a", "--cluster", path, code="conflict")
        self.assert_error(
            done.stderr, rf"cannot listen on tcp:127\.0\.0\.1:{port}", "another socket", r"taken\.toml:3:1"
        )

    def test_a_node_runs_once(self):
        a = self.node("a", CLUSTER)
        done = self.run_harness(
            "node", "up", "a", "--cluster", self.folder / "cluster.toml", "--any-port", code="conflict"
        )
        self.assert_error(done.stderr, "a runs already", str(a.child.pid), "harness node down a")
        self.assertEqual(interrupt(a), 0)

    def test_a_node_that_is_not_in_the_file_is_told_with_those_that_are(self):
        path = self.file("cluster.toml", CLUSTER)
        done = self.run_harness("node", "up", "c", "--cluster", path, code="not found")
        self.assert_error(done.stderr, "no node 'c'", "a, b", r"nodes\.c")

    def test_a_killed_node_leaves_nothing_that_stops_the_next(self):
        self.node("a", CLUSTER).kill()
        self.assertEqual(json.loads(self.run_harness("node", "ls", "--json").stdout)["nodes"], [])
        self.assertEqual(interrupt(self.node("a", CLUSTER)), 0)

    def test_a_node_that_hangs_is_told_and_does_not_hang_the_others(self):
        _, b = self.pair()
        b.signal(signal.SIGSTOP)
        self.addCleanup(b.signal, signal.SIGCONT)
        done = self.run_harness("link", "ls", code="partial")
        self.assert_error(done.stderr, "does not answer", "silent", "node ls")
        self.assertRegex(done.stdout, "a +main +b +up")

    def test_a_link_name_with_a_typo_is_told_with_the_one_that_was_meant(self):
        self.pair()
        for verb in (["link", "show"], ["link", "why"], ["ping"], ["bench"], ["tap"]):
            done = self.run_harness(*verb, "mian", code="not found")
            self.assert_error(done.stderr, "no link 'mian'", "main", "mean main")


class AdminSocket(TestCase):
    def test_garbage_is_answered_and_the_node_lives(self):
        a = self.node("a", CLUSTER)
        for line in (
            "no json\n",
            "{}\n",
            '{"v":1,"id":3}\n',
            '{"v":1,"id":3,"method":"no.such","params":{}}\n',
            '{"v":1,"id":3,"method":"link.show","params":{"lnik":"x"}}\n',
            "[" * 5000 + "\n",
        ):
            admin = self.admin("a")
            admin.write(line)
            self.assertIn("error", admin.reply(), line[:80])
        admin = self.admin("a")
        admin.write('{"v":99,"id":4,"method":"node.show","params":{}}\n')
        self.assertEqual(admin.reply()["error"]["code"], "conflict")
        try:
            admin.write("x" * (2 << 20))  # no line is so long
            self.assertIn("error", admin.reply())
        except (ConnectionError, json.JSONDecodeError):
            pass  # cut off in the middle of it
        self.assertEqual(self.admin("a").ask("node.show")["result"]["name"], "a")
        self.assertEqual(interrupt(a), 0)


if __name__ == "__main__":
    main()
