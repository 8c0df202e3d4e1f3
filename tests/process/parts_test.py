#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/support/run_part.sh, by programs that end in every way: no failure is lost, and its case is named."""

import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAD = '#!/bin/bash\nreport=${2#--gtest_output=xml:}\n'
REPORT = 'echo "<testsuites tests=\\"2\\" failures=\\"{}\\">" >"$report"\n'
PASSES = 'echo "[ RUN      ] Order.Keeps"; echo "[       OK ] Order.Keeps (1 ms)"\n'
FAILS = 'echo "[ RUN      ] Order.Fails"; echo "[  FAILED  ] Order.Fails, where GetParam() = 3 (1 ms)"\n'
STARTS = 'echo "[ RUN      ] Order.Dies"\n'


class Parts(unittest.TestCase):
    def run_part(self, body):
        """Its exit status, what it printed, the lines of REPORT.failed, and whether REPORT.xml is left."""
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder, "program")
            program.write_text(HEAD + body)
            program.chmod(0o755)
            report = Path(folder, "reports", "part")
            command = [ROOT / "tests/support/run_part.sh", report, "2", "3", program, "--gtest_filter=*"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            failed = report.with_suffix(".failed")
            lines = failed.read_text().splitlines() if failed.exists() else []
            return done.returncode, done.stdout, lines, report.with_suffix(".xml").exists()

    def test_a_part_that_passes_leaves_its_report(self):
        status, printed, failed, counted = self.run_part(PASSES + REPORT.format(0))
        self.assertEqual((status, failed, counted), (0, [], True), printed)

    def test_it_is_told_which_part_it_is(self):
        self.assertIn("1 of 3", self.run_part('echo "$GTEST_SHARD_INDEX of $GTEST_TOTAL_SHARDS"\n')[1])

    def test_a_case_that_fails_is_named_and_counted(self):
        status, printed, failed, counted = self.run_part(PASSES + FAILS + REPORT.format(1) + "exit 1\n")
        self.assertEqual((status, failed, counted), (1, ["Order.Fails"], True), printed)

    def test_a_crash_names_the_case_it_came_in(self):
        status, printed, failed, counted = self.run_part(PASSES + FAILS + STARTS + "kill -SEGV $$\n")
        self.assertEqual(failed, ["Order.Fails", "Order.Dies (the process died)"])
        self.assertIn("because: it died in Order.Dies; the cases after it did not run\n", printed)
        self.assertEqual((status, counted), (1, False), "what is not counted is one failure of ctest")

    def test_an_exit_in_the_middle_is_a_failure_whatever_its_status(self):
        status, printed, failed, _ = self.run_part(STARTS + "exit 0\n")
        self.assertEqual((status, failed), (1, ["Order.Dies (the process died)"]), printed)

    def test_a_leak_reported_after_the_cases_is_a_failure(self):
        status, printed, failed, counted = self.run_part(PASSES + REPORT.format(0) + "exit 23\n")
        self.assertEqual((status, counted), (1, False), printed)
        self.assertIn("died after Order.Keeps, outside the cases", printed)
        self.assertEqual(len(failed), 1)


if __name__ == "__main__":
    unittest.main()
