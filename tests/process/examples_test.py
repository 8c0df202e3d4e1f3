#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every example that stands in a --help is typed into a shell, as it stands, and must work.

The examples are read from the help texts themselves: the command line's, command by command, and those of
./run and ./test. Four nodes of examples/cluster.toml run meanwhile. What ends only at Ctrl-C gets one; what
waits for files is sent some. The scripts run over stand-ins for cmake and ctest, which write down how they
were called: what they build and test is the business of other tests."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

from support import DEADLINE_S, ENVIRONMENT, HARNESS, ROOT, TestCase, free_ports, main

LINKS = {"derived": "b", "written": "c", "packed": "c", "far": "d"}
PORT = r"(127\.0\.0\.1:)7\d\d\d\b"  # of the cluster file, each replaced by one that is free
FIRST = r"> harness\.lua$|^harness domain (create|trust) "  # makes what others need
LAST = r"^harness node down|-r x\.pcapng"  # needs what others leave


def examples_in(help_text):
    """The lines below "Examples:", up to the empty one."""
    match = re.search(r"^Examples:\n((?:  .+\n)+)", help_text, re.MULTILINE)
    return [line.strip() for line in match.group(1).splitlines()] if match else []


def of_process(pid, name):
    """A file of /proc; empty when the process has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="ascii")
    except OSError:
        return ""


def processes_of(shell):
    """The harness processes that a shell became or started, as long as they live."""
    children = of_process(shell.pid, f"task/{shell.pid}/children").split()
    return [pid for pid in (shell.pid, *map(int, children)) if of_process(pid, "comm") == "harness\n"]


def written_by(pid):
    """Bytes that a process has written so far; none when it has ended."""
    match = re.search(r"wchar: (\d+)", of_process(pid, "io"))
    return int(match.group(1)) if match else 0


class CommandLine(TestCase):
    def setUp(self):
        super().setUp()
        text = (ROOT / "examples/cluster.toml").read_text(encoding="utf-8")
        for port in free_ports(len(re.findall(PORT, text))):
            text = re.sub(PORT, rf"\g<1>{port}", text, count=1)
        text = text.replace("shm:example", f"shm:example-{os.getpid()}")
        self.home = self.folder / "home"
        for name in ("examples", "Pictures", "src", "docs"):
            (self.home / name).mkdir(parents=True)
            self.file(f"home/{name}/{name}.txt", name * 1000)
        self.file("home/examples/cluster.toml", text)
        self.file("home/notes.txt", "notes\n" * 100)
        self.file("home/words.txt", "the passphrase of a root\n").chmod(0o600)
        self.environment = dict(
            ENVIRONMENT,
            HOME=str(self.home),
            HARNESS_STATE=str(self.state),
            PATH=f"{Path(HARNESS).parent}:{os.environ['PATH']}",
        )
        self.run_harness("domain", "create", "--cluster", self.home / "examples/cluster.toml", code="ok")
        a = self.node("a", text)
        told = self.admin("a", "example").ask("node.show")["result"]["addresses"]
        self.address = next(one for one in told if one.startswith("tcp:"))
        for name in sorted(set(LINKS.values())):
            self.node(name, text)
            self.introduce("a", name, cluster="example")
        for link, name in LINKS.items():
            a.wait_for(f"link {link} to {name} is up")

    def shell(self, line, **changes):
        process = subprocess.Popen(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            env=dict(self.environment, **changes),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()

    def works(self, process):
        output, _ = process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 0, output)
        return output

    def ctrl_c(self, process, ready):
        """Ctrl-C for the harness processes in a pipeline once `ready()` holds."""
        end = time.monotonic() + DEADLINE_S
        while process.poll() is None and not ready():
            self.assertLess(time.monotonic(), end, "it was never ready for Ctrl-C")
        for pid in processes_of(process) if process.poll() is None else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)

    def run_up(self, line):
        state = self.folder / "another"
        process = self.shell(line, HARNESS_STATE=str(state))
        self.ctrl_c(process, lambda: (state / "example/a/admin.sock").exists())
        self.works(process)

    def run_tap(self, line):
        process = self.shell(line)

        def pinged():
            for link in LINKS:
                self.run_harness("ping", link, "--count", "20", "--interval", "0s", code="ok")
            written = [written_by(pid) for pid in processes_of(process)]
            return "--count" not in line and written and min(written) > 1000

        self.ctrl_c(process, pinged)
        self.works(process)

    def run_recv(self, line):
        process = self.shell(line)
        end = time.monotonic() + DEADLINE_S
        while process.poll() is None:
            self.assertLess(time.monotonic(), end, "it never received what was sent")
            what = self.home / ("all.tar" if "tar" in line else "notes.txt")
            self.run_harness("send", what, "b", "--node", "a", code="ok")
        self.works(process)

    def run_line(self, line):
        if line.startswith("harness node up"):
            self.run_up(line)
        elif re.match(r"harness tap (?!--dissector)", line):
            self.run_tap(line)
        elif line.startswith("harness recv"):
            self.run_recv(line)
        else:
            # Domains are made from the start by somebody who has none yet, unless a running node is asked.
            fresh = re.match(r"harness (domain|token|node enroll|node show)", line) and " --at " not in line
            line = re.sub(r"(?<= --at )tcp:\S+", self.address, line)
            changes = {"HARNESS_STATE": str(self.folder / "fresh")} if fresh else {}
            self.assertTrue(self.works(self.shell(line, **changes)) or ">" in line, "it said nothing")

    def help_texts(self, *words):
        """The help of a command and of all below it."""
        text = self.run_harness(*words, "--help", code="ok").stdout
        yield " ".join(words), text
        below = re.search(r"^Subcommands:\n([\s\S]+)", text, re.MULTILINE)
        for name in re.findall(r"^  (\w+)", below.group(1), re.MULTILINE) if below else ():
            yield from self.help_texts(*words, name)

    def test_every_example_of_the_command_line_works(self):
        lines = []
        for command, text in self.help_texts():
            found = examples_in(text)
            self.assertTrue(found or "Subcommands:" in text, f"harness {command} --help has no example")
            lines += [line for line in found if line not in lines]
        self.assertGreater(len(lines), 40)
        subprocess.run(["tar", "cf", "all.tar", "notes.txt"], cwd=self.home, check=True)
        lines.sort(key=lambda line: (not re.search(FIRST, line), bool(re.search(LAST, line))))
        for line in lines:
            if "tshark" in line and not shutil.which("tshark"):
                print(f"not run, as tshark is not installed: {line}")
                continue
            with self.subTest(line):
                self.run_line(line)


class Scripts(TestCase):
    """./run and ./test in a copy of the house with nothing to build."""

    def setUp(self):
        super().setUp()
        for name in ("run", "test", "cmake/house.sh", "CMakePresets.json", "examples/cluster.toml"):
            (self.folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, self.folder / name)
        self.file("packages.txt", "[build]\nbash  # runs it\n[test]\nbash  # runs it\n")
        (self.folder / "build/release/bin").mkdir(parents=True)
        (self.folder / "build/release/bin/harness").symlink_to(HARNESS)
        (self.folder / "Pictures").mkdir()
        for name in ("Pictures/one.txt", "notes.txt", "build/release/build.ninja"):
            self.file(name, "some\n")
        (self.folder / "stubs").mkdir()
        self.log = self.folder / "calls"
        for name in ("cmake", "ctest"):
            self.file(
                f"stubs/{name}", f'#!/bin/sh\necho "{name} $* seed=$HARNESS_SEED" >>{self.log}\n'
            ).chmod(0o755)
        for command in (["init", "-q"], ["add", "run", "test"]):
            subprocess.run(["git", *command], cwd=self.folder, check=True)

    def script(self, line):
        environment = dict(
            ENVIRONMENT, HOME=str(self.folder), PATH=f"{self.folder}/stubs:{os.environ['PATH']}"
        )
        environment.pop("HARNESS_SEED", None)
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        calls = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        self.log.unlink(missing_ok=True)
        return done, calls

    def examples(self, script):
        text = self.script(f"{script} --help")[0].stdout
        return [re.split(r"\s{2,}", line)[0] for line in text.split("\n\n")[0].splitlines()]

    def test_every_example_of_run_mirrors_and_says_so(self):
        lines = self.examples("./run")
        self.assertGreaterEqual(len(lines), 4)
        for line in lines:
            with self.subTest(line):
                done, calls = self.script(line)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("every byte arrived", done.stdout)
                self.assertIn("cmake --build build/release --target programs", calls)

    def test_every_example_of_test_calls_the_tests_it_says(self):
        wanted = {
            "./test": "--preset dev",
            "./test --filter Frag": "-R Frag",
            "./test --sanitize address": "--preset asan",
            "./test --sanitize thread": "--preset tsan",
            "./test --fuzz-seconds 60": "--preset dev",
            "HARNESS_SEED=42 ./test --filter sim": "seed=42",
        }
        self.assertEqual(self.examples("./test"), list(wanted))
        for line, call in wanted.items():
            with self.subTest(line):
                done, calls = self.script(line)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertRegex(calls, f"ctest .*{call}")
                self.assertRegex(done.stdout, r"\d+ passed, 0 failed, \d+ skipped\n$")

    def test_a_wrong_argument_is_an_error_in_three_parts(self):
        for line in ("./test --sanitize memory", "./test --nosuch", "./run --nosuch"):
            done, _ = self.script(line)
            self.assertNotEqual(done.returncode, 0)
            self.assert_error(done.stderr, r"\w", r"\w", "help|mean")


if __name__ == "__main__":
    main()
