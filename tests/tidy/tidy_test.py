#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the source tree as a test: direction of includes, sizes, banned calls, layers that are whole.

  tests/tidy/tidy_test.py              check this checkout
  tests/tidy/tidy_test.py --root DIR   check another tree
  tests/tidy/tidy_test.py --ratchet    write tests/tidy/ratchet.txt anew (only ever downwards: see there)

A rule is a function from the tree to findings. The self-test plants one violation a rule and must see it."""

import argparse
import sys
from pathlib import Path

import includes
import style
import whole
from source import Tree

RULES = (
    includes.include_direction,
    includes.no_dead_header,
    style.first_lines,
    style.sizes,
    style.function_sizes,
    style.banned_calls,
    style.no_ifdef,
    style.todo_kinds,
    style.names,
    style.workplace,
    whole.layers_are_whole,
    whole.layer_anatomy,
    whole.pages_point_somewhere,
    whole.packages_are_explained,
)
RATCHET = "tests/tidy/ratchet.txt"
RATCHET_HEAD = """# What was over a limit when the limit came: rule, file, worst value. Only downwards.
"""


def findings_of(tree):
    return [finding for rule in RULES for finding in rule(tree)]


def read_ratchet(tree):
    if not tree.has(RATCHET):
        return {}
    rows = (line.split() for line in tree.sources[RATCHET].lines if line and not line.startswith("#"))
    return {(rule, path): int(value) for rule, path, value in rows}


def worst(findings):
    values = {}
    for finding in findings:
        if finding.value:
            key = (finding.rule, finding.path)
            values[key] = max(values.get(key, 0), finding.value)
    return values


def apply_ratchet(findings, ratchet):
    """Returns the findings worse than the ratchet, and the ratchet's rows that are too generous by now."""
    now = worst(findings)
    bad = [f for f in findings if not f.value or f.value > ratchet.get((f.rule, f.path), 0)]
    stale = [(key, value, now.get(key, 0)) for key, value in ratchet.items() if now.get(key, 0) < value]
    return bad, stale


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", default=Path(__file__).resolve().parents[2])
    parser.add_argument("--ratchet", action="store_true")
    arguments = parser.parse_args()
    tree = Tree(arguments.root)
    findings = findings_of(tree)
    if arguments.ratchet:
        rows = "".join(f"{rule} {path} {value}\n" for (rule, path), value in sorted(worst(findings).items()))
        (tree.root / RATCHET).write_text(RATCHET_HEAD + rows, encoding="utf-8")
        return 0
    bad, stale = apply_ratchet(findings, read_ratchet(tree))
    for finding in bad:
        print(finding)
    for (rule, path), value, now in stale:  # a note: whoever shortened a line need not know of the ratchet
        print(
            f"note: {RATCHET}: [{rule}] {path} is at {now}, the ratchet still allows {value}\n"
            "    try: tests/tidy/tidy_test.py --ratchet"
        )
    print(f"{len(tree.sources)} files, {len(RULES)} rules, {len(bad)} findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
