#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hooks end in a jump: compiles the layers as a release build does and reads the assembly of their hooks.

  tests/tidy/tail_call_test.py build/dev

A hook that hands on as its last act costs a jump, and the depth of a stack no stack memory, as long as the
compiler sees that nothing of the hook's own lives longer. One local Message, one noexcept, one buffer whose
address escapes, and the jump silently becomes a call. Flags and include folders are those of the build, with
-O3 instead of its optimisation; so the test does not need a release tree. Layers that say `pump = true` make
many of one, or one of many: they call in a loop, and are let off. Only GCC promises this: others skip."""

import json
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HOOK = re.compile(r"harness::detail::(down|up)_thunk<(?:\w+::)*(\w+)>\(")
SKIPPED = 77


def commands(build):
    """{source: compile command} of the build, ready to print assembly as release would make it."""
    found = {}
    for row in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        words = shlex.split(row["command"])
        while Path(words[0]).name in ("env", "ccache") or words[0].startswith("CCACHE_"):
            words = words[1:]
        output = words.index("-o")
        words = words[:output] + words[output + 2 : words.index("-c")]
        words = [w for w in words if not re.match(r"-O|-g|-fsanitize|--coverage|-D_GLIBCXX_ASSERTIONS|-W", w)]
        found[row["file"]] = words + ["-O3", "-DNDEBUG", "-S", "-o", "-"]
    return found


def hooks(assembly):
    """{(layer, direction): instructions} of the hooks in demangled assembly."""
    found, lines = {}, None
    for line in assembly.splitlines():
        if not line.startswith(("\t", " ", "#")) and (match := HOOK.search(line)):
            if line.endswith(":") and ".cold" not in line and "clone" not in line:
                lines = found.setdefault((match.group(2), match.group(1)), [])
        elif ".cfi_endproc" in line:
            lines = None
        elif lines is not None and line.startswith("\t") and not line.startswith("\t."):
            lines.append(line.strip())
    return found


def jumps_on(instructions):
    return any(re.match(r"jmp\s+\*", i) for i in instructions)


def calls(instructions):
    return [i for i in instructions if i.startswith("call")]


def assembly_of(command, source):
    made = subprocess.run(command + [str(source)], capture_output=True, text=True, check=False)
    if made.returncode:
        sys.exit(
            f"error: {source} does not compile\nbecause: {made.stderr}\ntry: {shlex.join(command)} {source}"
        )
    return subprocess.run(["c++filt"], input=made.stdout, capture_output=True, text=True, check=True).stdout


def probe(command):
    """The three layers of the probe are what they say; otherwise the test sees nothing."""
    found = hooks(assembly_of(command, HERE / "tail_call_probe.cpp"))
    bad = []
    for hook in (("Forward", "down"), ("Header", "down"), ("Header", "up")):
        if not jumps_on(found[hook]):
            bad.append(f"{hook[0]}::{hook[1]} of the probe does not end in a jump")
    for hook in (("Forward", "down"), ("Header", "down")):
        if calls(found[hook]):
            bad.append(f"{hook[0]}::{hook[1]} of the probe calls: {calls(found[hook])}")
    if jumps_on(found[("Held", "down")]):
        bad.append("Held::down of the probe ends in a jump, which cannot be: this test is blind")
    return bad


def is_pump(source):
    texts = [p.read_text(encoding="utf-8") for p in (source, source.with_suffix(".hpp")) if p.exists()]
    return any(re.search(r"\.pump\s*=\s*true|tidy: allow call: \S", text) for text in texts)


def main():
    found = commands(Path(sys.argv[1]).resolve())
    layers = {Path(f): c for f, c in found.items() if Path(f).parent == ROOT / "layers"}
    stack = next(c for f, c in found.items() if Path(f).parent == ROOT / "stack")
    if "clang" in Path(stack[0]).name:
        print("skipped: only GCC's release build is held to this")
        return SKIPPED
    bad = probe(stack)
    with ThreadPoolExecutor(2) as pool:
        texts = pool.map(lambda item: assembly_of(item[1], item[0]), layers.items())
        for source, text in zip(layers, texts):
            for (layer, direction), instructions in hooks(text).items():
                verdict = "pump" if is_pump(source) else "jumps" if jumps_on(instructions) else "CALLS"
                print(f"{layer}::{direction}: {len(instructions)} instructions, {verdict}")
                if verdict == "CALLS":
                    bad.append(f"{layer}::{direction} in {source.relative_to(ROOT)} does not end in a jump")
    for text in bad:
        print(f"error: {text}")
    if bad:
        print("because: something of the hook's own lives until the next hook returns")
        print("try: no local Message in the hook, no noexcept on it, the slow path in a function of its own;")
        print("     or, where a call is meant, a comment `tidy: allow call: <reason>` in the layer's file")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
