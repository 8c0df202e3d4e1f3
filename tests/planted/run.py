#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants one bug at a time and expects the tests to turn red.

  tests/planted/run.py                     every patch of this folder
  tests/planted/run.py order_*.patch       some of them
  tests/planted/run.py --keep DIR          keeps the copy and its build there, so that the next run is fast
  tests/planted/run.py --list

A patch is a unified diff below a few lines `key: value`: `bug` says what is wrong in a sentence, `tests`
names the test programs that may catch it (default: all of TESTS; fuzz_… replay their seeds and mutations of
them). The tree is copied once; each patch is applied to the copy, the programs are built anew as far as the
patch reaches, run until one of them fails, and the patch is taken back. Exit 1 when a bug lives, or a patch
no longer applies: then it has to follow the code."""

import argparse
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TESTS = ("unit_layers", "unit_stack", "unit_kernel", "unit_transports", "conformance", "sim")
SECONDS_MAX = 300  # a planted bug may hang a test: that is red as well


@dataclass
class Plant:
    name: str
    text: str
    bug: str
    tests: tuple


def read(path):
    text = path.read_text()
    keys = dict(re.findall(r"^(\w+): (.+)$", text.split("\n--- ", 1)[0], re.MULTILINE))
    if "bug" not in keys:
        sys.exit(
            f"error: {path.name} does not say what is wrong\n"
            "because: it has no line 'bug: …'\ntry: add it above the diff"
        )
    return Plant(path.stem, text, keys["bug"], tuple(keys.get("tests", " ".join(TESTS)).split()))


def run(command, **more):
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **more
    )


def copy_tree(to):
    """The tracked and new files as they are now; unchanged ones keep their time: little is rebuilt."""
    listed = run(["git", "-C", ROOT, "ls-files", "-z", "-co", "--exclude-standard"]).stdout
    wanted = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
    for name in wanted:
        source, target = ROOT / name, to / name
        if target.is_file() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    for old in to.rglob("*"):
        name = old.relative_to(to)
        if old.is_file() and name.parts[0] != "build" and str(name) not in wanted:
            old.unlink()


def target_of(test):
    return test if test.startswith("fuzz_") else f"test_{test}"


class Bed:
    """The copy in which bugs are planted, and its build."""

    def __init__(self, folder, jobs, prefix):
        self.prefix = prefix
        self.tree = folder
        self.build = folder / "build" / "planted"
        self.jobs = str(jobs)
        copy_tree(self.tree)
        configured = run(["cmake", "--preset", "dev", "-B", self.build, "-DHARNESS_BENCH=OFF"], cwd=self.tree)
        if configured.returncode != 0:
            sys.exit(configured.stdout)
        self.known = run(["cmake", "--build", self.build, "--target", "help"]).stdout

    def make(self, tests):
        targets = [name for name in map(target_of, tests) if re.search(rf"\b{name}\b", self.known)]
        return run([*self.prefix, "cmake", "--build", self.build, "-j", self.jobs, "--target", *targets])

    def patch(self, plant, *more):
        command = ["patch", "-p1", "--fuzz=3", "--no-backup-if-mismatch", *more]
        return run(command, cwd=self.tree, input=plant.text)

    def red(self, test):
        """The first failing case of a test program, or None."""
        fuzzes = test.startswith("fuzz_")
        program = self.build / ("fuzz" if fuzzes else "tests") / target_of(test)
        if not program.exists():
            return None
        seeds = [self.tree / "tests" / "fuzz" / "corpus" / test.removeprefix("fuzz_")] if fuzzes else []
        environment = dict(os.environ, GTEST_FAIL_FAST="1")
        try:
            done = run([program, *seeds], cwd=self.build / "tests", timeout=SECONDS_MAX, env=environment)
        except subprocess.TimeoutExpired:
            return f"{test}: still running after {SECONDS_MAX} s"
        if done.returncode == 0:
            return None
        failed = re.findall(r"^\[  FAILED  \] (\S+?),? ", done.stdout, re.MULTILINE)
        detail = re.search(r"seed \d+ failed: .*?(?= rerun)", done.stdout)
        name = failed[0] if failed else f"exit {done.returncode}"
        return f"{test}: {name}" + (f" ({detail.group(0)})" if detail else "")

    def plant(self, plant):
        """What caught the bug; None when nothing did."""
        applied = self.patch(plant, "--dry-run")
        if applied.returncode != 0:
            return "does not apply any more: " + applied.stdout.strip().splitlines()[-1], False
        self.patch(plant)
        try:
            built = self.make(plant.tests)
            if built.returncode != 0:
                errors = [line for line in built.stdout.splitlines() if " error: " in line]
                return "does not compile: " + (errors or ["?"])[0], False
            caught = next(filter(None, map(self.red, plant.tests)), None)
            return caught, caught is not None
        finally:
            self.patch(plant, "-R")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("patches", nargs="*", help="names or patterns of patches in this folder")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="where the copy and its build stay")
    parser.add_argument("--jobs", "-j", type=int, default=os.cpu_count())
    parser.add_argument("--prefix", metavar="CMD", default="", help="runs builds by it, as in 'nice -n 10'")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    plants = [read(path) for path in sorted(HERE.glob("*.patch"))]
    wanted = [Path(pattern).name for pattern in options.patches] or ["*"]
    stems = [pattern.removesuffix(".patch") for pattern in wanted]
    plants = [plant for plant in plants if any(fnmatch.fnmatch(plant.name, stem) for stem in stems)]
    if options.list:
        for plant in plants:
            print(f"{plant.name:32} {plant.bug}")
        return 0
    if not plants:
        sys.exit(
            f"error: no patch is called {' '.join(wanted)}\n"
            "because: tests/planted has none of that name\ntry: tests/planted/run.py --list"
        )

    folder = options.keep or Path(tempfile.mkdtemp(prefix="planted-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        bed = Bed(folder.resolve(), options.jobs, options.prefix.split())
        clean = bed.make((*TESTS, *{test for plant in plants for test in plant.tests}))
        if clean.returncode != 0:
            sys.exit(clean.stdout[-4000:])
        alive = 0
        for plant in plants:
            start = time.monotonic()
            caught, is_red = bed.plant(plant)
            alive += not is_red
            word, what = ("caught" if is_red else "ALIVE "), caught or plant.bug
            print(f"{word} {plant.name:28} {what}  [{time.monotonic() - start:.0f} s]", flush=True)
        print(f"{len(plants) - alive} of {len(plants)} planted bugs were caught")
        return 1 if alive else 0
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
