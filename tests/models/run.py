#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Explores each model of this folder to the end with spin: no run breaks a promise, each planted bug does.

  tests/models/run.py              every model
  tests/models/run.py setup        one of them

A model names its bugs in its head comment as -DNAME; each is a piece of the protocol left out."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SECONDS_MAX = 240
DEPTH_MAX = 100_000


def explore(model, flags, folder):
    """The number of errors found, of states, and what was broken first."""
    subprocess.run(["spin", *flags, "-m", "-a", model], cwd=folder, check=True, timeout=SECONDS_MAX)
    # A bug is found before a compiler that optimises would be done.
    level = "-O0" if flags else "-O2"
    compiler = ["gcc", level, "-w", "-DSAFETY", "-DVECTORSZ=2048", "-DMEMLIM=8192", "-o", "pan", "pan.c"]
    subprocess.run(compiler, cwd=folder, check=True, timeout=SECONDS_MAX)
    # -E: a wire that is full when everybody has stopped is no error of the protocol.
    search = ["./pan", "-E", f"-m{DEPTH_MAX}"]
    run = subprocess.run(
        search, cwd=folder, check=True, timeout=SECONDS_MAX, capture_output=True, text=True
    )
    whole = "max search depth too small" not in run.stdout and "out of memory" not in run.stdout
    errors = re.search(r"errors: (\d+)", run.stdout)
    states = re.search(r"(\d+) states, stored", run.stdout)
    if not whole or not errors or not states:
        sys.exit(f"error: {model.name} was not explored to its end\nbecause:\n{run.stdout}{run.stderr}")
    broken = re.search(r"assertion violated (.*)", run.stdout)
    return int(errors[1]), int(states[1]), broken[1] if broken else ""


def judge(model, folder):
    """True when the model holds and each of its bugs is found."""
    errors, states, broken = explore(model, [], folder)
    print(f"{model.stem}: {states} states, {errors} errors {broken}".rstrip(), flush=True)
    good = errors == 0
    head = model.read_text(encoding="utf-8").split("*/", 1)[0]
    bugs = re.findall(r"-D(\w+)", head)
    if not bugs:
        print(f"{model.stem}: names no bug that it can find")
    for bug in bugs:
        errors, _, broken = explore(model, [f"-D{bug}"], folder)
        print(f"  {bug}: {'found: ' + broken if errors else 'LIVES'}", flush=True)
        good = good and errors != 0
    return good and bool(bugs)


def main():
    try:
        subprocess.run(["spin", "-V"], check=True, capture_output=True)
    except FileNotFoundError:
        print("SKIPPED: spin is not installed; apt-get install spin")
        return 77
    wanted = sys.argv[1:] or [model.stem for model in sorted(HERE.glob("*.pml"))]
    with tempfile.TemporaryDirectory() as folder:
        results = [judge(HERE / f"{name}.pml", folder) for name in wanted]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
