#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The report program over figures made here: the page has every target and plot and nothing from outside.

tests/bench/report_test.py PROGRAM"""

import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SIZES = (8, 1024, 1 << 20)
MACHINE = {
    "cpu": "a <cpu>",
    "cores": 2,
    "kernel": "k",
    "build": "b",
    "commit": "c",
    "date": "d",
    "load": 0.1,
}


def point(chart, subject, role, size, value, **more):
    figure = {"name": f"{chart} {size} {subject}", "unit": "ns", "verdict": "shown", "value": value}
    return figure | {"chart": chart, "subject": subject, "role": role, "bytes": size} | more


def figures():
    for size in SIZES:
        yield point("shm one way", "@ shm", "ours", size, 70 + size, peer="UCX", peer_value=130, ratio=0.54)
        yield point("shm one way", "UCX", "peer", size, 130 + size, note="UCX_TLS=posix")
        yield point("shm one way", "memcpy", "machine", size, 5 + size)
    for verdict in ("met", "missed", "skipped"):
        yield {"name": f"target: one {verdict}", "unit": "ns", "verdict": verdict, "target": "≤ 1.25 × floor"}


class Page(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        source, target = Path(folder.name, "in.json"), Path(folder.name, "out.html")
        report = {"program": "compare", "machine": MACHINE, "figures": list(figures())}
        source.write_text(json.dumps({"schema": 1, "reports": [report]}), encoding="utf-8")
        subprocess.run([PROGRAM, source, "--html", target], check=True, stdout=subprocess.DEVNULL)
        self.page = target.read_text(encoding="utf-8")

    def test_it_needs_nothing_from_outside(self):
        self.assertNotRegex(self.page, r"<script|<link|<img|https?:|url\(|@import")

    def test_every_target_has_its_state(self):
        for state, name in (("met", "one met"), ("missed", "one missed"), ("open", "one skipped")):
            self.assertRegex(self.page, rf'<tr class="{state}"><td>{name}</td>')
        self.assertIn("1 met", self.page)

    def test_every_point_is_in_the_plot_and_in_the_table(self):
        self.assertEqual(self.page.count("<svg"), 1)
        self.assertEqual(self.page.count("<circle"), 3 * len(SIZES))
        for size in ("8 B", "1 KiB", "1 MiB"):
            self.assertIn(f"<th class=n>{size}", self.page)
        self.assertIn("0.54 ×", self.page)
        self.assertIn("<code>UCX_TLS=posix</code>", self.page)

    def test_what_grows_is_drawn_higher_and_further_right(self):
        path = re.search(r'<g class="line ours c\d+"><path d="M([^"]+)"', self.page).group(1)
        points = [tuple(map(float, part.split())) for part in path.split("L")]
        self.assertEqual(points, sorted(points))
        self.assertEqual([y for _, y in points], sorted((y for _, y in points), reverse=True))

    def test_text_from_figures_is_no_markup(self):
        self.assertIn("a &lt;cpu>", self.page)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main(verbosity=2)
