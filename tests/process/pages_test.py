#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/{cli,admin,cluster-file,writing-a-layer}.md against the program: what they say is what runs."""

import json
import re
import subprocess
import unittest
from pathlib import Path

from support import CODES, DEADLINE_S, HARNESS, ROOT, TestCase, main, two_nodes


def page(name):
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def blocks(text, language):
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for tag, block in found if tag == language]


class Pages(TestCase):
    def compare_generated(self, name, *command):
        mark = f"<!-- from `harness {' '.join(command)}` -->\n\n"
        _, found, behind = page(name).partition(mark)
        self.assertTrue(found, f"docs/{name} has no mark {mark}")
        self.assertEqual(
            behind,
            self.run_harness(*command, code="ok").stdout,
            f"write it again: harness {' '.join(command)}, behind the mark of docs/{name}",
        )

    def test_the_command_line_page_has_every_command_as_it_is(self):
        self.compare_generated("cli.md", "docs", "cli")

    def test_the_command_line_page_has_every_exit_code(self):
        told = [int(code) for code in re.findall(r"^\| (\d+) \|", page("cli.md"), re.MULTILINE)]
        self.assertEqual(told, sorted(CODES.values()))

    def test_the_admin_page_has_the_values_of_the_code(self):
        self.compare_generated("admin.md", "docs", "admin")

    def test_the_admin_page_has_every_method_of_a_node(self):
        self.node("a", two_nodes('stack = "frag @ tcp"'))
        error = self.admin("a").ask("no such method")["error"]
        known = re.findall(r"[a-z]+\.[a-z]+", error["because"])
        self.assertEqual(sorted(known), sorted(re.findall(r"^### `(.+)`", page("admin.md"), re.MULTILINE)))

    def test_the_cluster_file_of_its_page_is_valid_and_every_key_stands_in_the_table(self):
        text = page("cluster-file.md")
        path = self.file("page.toml", blocks(text, "toml")[0])
        shown = self.run_harness("config", "show", "--cluster", path, "--json", code="ok").stdout
        paths = {setting["path"] for setting in json.loads(shown)["settings"]}
        used = {re.sub(r"^(domains|nodes|links)\.\w+", r"\1.NAME", path) for path in paths}
        used = {re.sub(r"^floors\.\d+", "floors[]", path) for path in used}
        told = set()
        for cell in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE):
            first, *others = re.findall(r"`([^`]+)`", cell)
            told |= {first} | {f"{first.rpartition('.')[0]}.{other}" for other in others}
        self.assertEqual(used, told)

    def test_the_layer_of_its_page_is_the_example_and_does_what_the_page_says(self):
        text, source = page("writing-a-layer.md"), (ROOT / "examples/own_layer.cpp").read_text(
            encoding="utf-8"
        )
        code = blocks(text, "cpp")
        self.assertGreaterEqual(len(code), 5)
        for block in code:
            for part in block.split("\n\n"):
                self.assertIn(part.rstrip("\n"), source, "the page and examples/own_layer.cpp differ")
        program = Path(HARNESS).parents[1] / "examples/own_layer"
        done = subprocess.run([program], capture_output=True, text=True, timeout=DEADLINE_S, check=True)
        self.assertEqual(done.stdout, blocks(text, "")[0])


if __name__ == "__main__":
    main()
