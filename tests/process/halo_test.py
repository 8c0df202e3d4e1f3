#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/halo_exchange: processes that write into each other's memory compute what one does alone."""

import subprocess
import unittest
from pathlib import Path

from support import DEADLINE_S, HARNESS, TestCase, main

PROGRAM = Path(HARNESS).parents[1] / "examples/halo_exchange"


def halo(*words):
    return subprocess.run(
        [PROGRAM, *words], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


class Halo(TestCase):
    def test_the_plate_is_the_one_computed_alone_over_every_transport(self):
        for transport in ("shm", "tcp", "udp", "ofi"):
            for count in ("2", "3", "4"):
                with self.subTest(transport=transport, processes=count):
                    run = halo(count, transport)
                    self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
                    self.assertIn("equal to the plate computed alone", run.stdout)

    def test_a_number_of_processes_for_which_the_plate_is_not_cut_is_told(self):
        for count in ("1", "5", "many"):
            run = halo(count)
            self.assertEqual(run.returncode, 2)
            self.assertRegex(run.stderr, r"(?s)^error: .*\nbecause: .*\ntry: ")

    def test_a_transport_that_does_not_exist_is_told(self):
        run = halo("2", "pigeon")
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stderr, r"(?s)^error: .*\nbecause: ")

    def test_help(self):
        run = halo("--help")
        self.assertEqual(run.returncode, 0)
        self.assertIn("[shm|tcp|udp|ofi]", run.stdout)


if __name__ == "__main__":
    main()
