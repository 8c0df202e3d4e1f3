#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job: `harness mirror` over the example's four links, and what it does when a node dies."""

import json
import os
import re
import shutil
import signal
import unittest
from pathlib import Path

from support import ENVIRONMENT, ROOT, TestCase, below, main

EXAMPLE = ROOT / "examples/cluster.toml"
FILES = 60


class Mirror(TestCase):
    def tree(self):
        folder = self.folder / "tree"
        for i in range(FILES):
            at = folder / f"d{i % 7}" / f"f{i}"
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_bytes(os.urandom(1 + 700 * i))
        (folder / "large").write_bytes(os.urandom(3 << 20))
        (folder / "d0/link").symlink_to("f0")
        return folder

    def mirror(self, *words, code="ok"):
        return self.run_harness("--cluster", EXAMPLE, "mirror", *words, code=code)

    def test_every_link_carries_every_byte_and_tells_what_it_is(self):
        done = json.loads(self.mirror(self.tree(), "--json").stdout)
        links = {one["link"]["links"][0]["name"]: one for one in done["links"]}
        self.assertEqual(list(links), ["derived", "written", "packed", "far"])
        for name, one in links.items():
            self.assertTrue(one["complete"], name)
            self.assertEqual(one["transfer"]["files"], FILES + 1, name)
            self.assertEqual(one["transfer"]["failed"], 0, name)
        status = {name: one["link"]["links"][0] for name, one in links.items()}
        self.assertRegex(status["derived"]["stack"], r"@ shm$")
        self.assertRegex(status["written"]["stack"], r"^order / frag\(size=64KiB\) @ tcp$")
        self.assertRegex(status["packed"]["stack"], r"^mux / compress .*/ encrypt @ tcp$")
        far = r"reliable / encrypt / fault_drop\(rate=2%, seed=1\) .*@ udp$"
        self.assertRegex(status["far"]["stack"], far)
        self.assertEqual(
            {name: one["proven"] for name, one in status.items()},
            {"derived": "", "written": "", "packed": "spiffe://lab/node/c", "far": "spiffe://office/node/d"},
        )
        swapped = {name: one["swapped"] for name, one in links.items() if one["swapped"]}
        counts = {name: len(one["swaps"]) for name, one in swapped.items()}
        self.assertEqual(counts, {"written": 2, "packed": 1})
        for name, one in swapped.items():
            load = one["load"]
            self.assertGreater(load["received"], 0, name)
            faults = [load[what] for what in ("lost", "doubled", "disordered", "damaged")]
            self.assertEqual(faults, [0, 0, 0, 0], name)
        self.assertEqual([name for name, one in status.items() if one["measured"]], ["far"])
        self.assertGreater(status["far"]["retransmits"], 0)
        self.assertGreater(status["far"]["rtt_us"], 0)

    def test_the_table_has_retransmits_and_round_trips_and_says_what_is_disturbed(self):
        out = self.mirror(self.tree()).stdout
        head = next(line for line in out.splitlines() if line.startswith("LINK"))
        self.assertEqual(
            head.split(),
            ["LINK", "TO", "RATE", "P50", "P99", "HEADER", "RETRANSMITS", "RTT", "STACK:", "WHY"],
        )
        self.assertRegex(out, r"(?m)^derived +b .* – +– +@ shm: cheapest for")
        self.assertRegex(out, r"(?m)^far +d .* \d+ +\S+ [mµ]?s +order / frag / reliable / encrypt")
        told = " ".join(out.split())
        self.assertRegex(told, "disturbed on purpose by fault_drop, fault_reorder, fault_duplicate")
        clean = r" +c +\S+ [nmµ]?s +\d+( +0){4} +"
        self.assertRegex(out, rf"(?m)^written{clean}order .* @ tcp → .* @ shm → .* @ tcp")
        self.assertRegex(out, rf"(?m)^packed{clean}mux .* @ tcp → .* / encrypt @ tcp")
        self.assertRegex(told, "every byte arrived")

    def test_single_files_and_trees_stand_side_by_side_in_the_folder_of_their_link(self):
        tree, note = self.tree(), self.file("notes.txt", "some")
        done = self.mirror(tree, note, "--keep")
        kept = {
            Path(line).name: Path(line) for line in re.findall(r"^kept: (.+)$", done.stderr, re.MULTILINE)
        }
        run = next(above for above in kept["far"].parents if above.name.startswith("harness-mirror-"))
        self.addCleanup(shutil.rmtree, run)
        self.assertEqual(set(kept), {"derived", "written", "packed", "far"})
        for folder in kept.values():
            self.assertEqual(below(folder), sorted(["notes.txt"] + [f"tree/{name}" for name in below(tree)]))

    def test_a_node_that_dies_is_told_in_three_parts_and_nothing_is_left(self):
        tree = self.tree()
        with open(tree / "huge", "wb") as huge:  # sparse, so that it is quick to make and long to send
            huge.truncate(8 << 30)
        temporary = self.folder / "tmp"
        temporary.mkdir()
        ENVIRONMENT["TMPDIR"] = str(temporary)
        self.addCleanup(ENVIRONMENT.pop, "TMPDIR")
        process = self.spawn("--cluster", EXAMPLE, "mirror", tree)
        self.until(lambda: any("/received/" in name and "huge" not in name for name in below(temporary)))
        pid = process.child.pid
        nodes = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        (c,) = [int(node) for node in nodes if b"\0up\0c\0" in Path(f"/proc/{node}/cmdline").read_bytes()]
        os.kill(c, signal.SIGKILL)
        self.assertEqual(process.wait(), 5, process.lines)
        self.assert_error("\n".join(process.lines), "the node c ended", "signal", "harness node up c")
        self.assertEqual(below(temporary), [])

    def test_one_transport_for_every_link(self):
        tree = self.tree()
        done = json.loads(self.mirror(tree, "--transport", "tcp", "--json").stdout)
        self.assertTrue(all(one["transfer"]["stack"].endswith("@ tcp") for one in done["links"]))
        refused = self.mirror(tree, "--transport", "shm", code="unreachable")
        self.assert_error(refused.stderr, "the link far to d did not open", "domains are lab and office")

    def test_the_whole_job_over_libfabric_swaps_and_encryption_among_it(self):
        done = json.loads(self.mirror(self.tree(), "--transport", "ofi", "--json").stdout)
        self.assertTrue(all(one["transfer"]["stack"].endswith("@ ofi") for one in done["links"]))


if __name__ == "__main__":
    main()
