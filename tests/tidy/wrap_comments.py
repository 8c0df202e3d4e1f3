#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Wraps comment lines that are too long; part of the target `format`.

  tests/tidy/wrap_comments.py FILE…    rewrites the files that need it

clang-format's own reflow joins lines that were set apart on purpose (tables, diagrams), so it is off. Here
words move only from an overlong line to the next line of the same paragraph, as far as needed. An overlong
comment behind code goes to a line of its own above it."""

import re
import sys
from pathlib import Path

COLUMNS = 110
WHOLE = re.compile(r"^(\s*)(///?|\*)( ?)(\S.*)$")
BEHIND = re.compile(r"^(\s*)(\S.*?\S)\s+(//)( )(.+)$")


SET_APART = re.compile(r"[-*·|(]|\d+[.)]|[A-Z]\w+: |.* {3}")  # lists, tables, diagrams, "Requires: …"


def continues(line, indent, mark):
    """Whether a following line carries on the paragraph: same indentation, plain words."""
    match = WHOLE.match(line)
    return bool(match) and match.group(1, 2) == (indent, mark) and not SET_APART.match(match.group(4))


def cut(words, room):
    """Splits text at the last space that lets its first part fit; the second part may be empty."""
    if len(words) <= room:
        return words, ""
    at = words.rfind(" ", 0, room + 1)
    return (words, "") if at <= 0 else (words[:at].rstrip(), words[at + 1 :].lstrip())


def wrapped(lines):
    lines, at = list(lines), 0
    while at < len(lines):
        line = lines[at]
        if len(line) > COLUMNS:
            if match := WHOLE.match(line):
                indent, mark, space, text = match.groups()
                if text.startswith("|") or "   " in text:
                    at += 1
                    continue  # a table or a diagram: the tidy test shows it to a person
                head = indent + mark + space
                fits, rest = cut(text, COLUMNS - len(head))
                lines[at] = head + fits
                closes = mark == "*" and rest.endswith("*/")
                if rest and not closes and at + 1 < len(lines) and continues(lines[at + 1], indent, mark):
                    lines[at + 1] = head + rest + " " + WHOLE.match(lines[at + 1]).group(4)
                elif rest:
                    lines.insert(at + 1, head + rest)
            elif (match := BEHIND.match(line)) and match.group(2).count('"') % 2 == 0:
                indent, code, mark, space, text = match.groups()
                lines[at : at + 1] = [indent + mark + space + text, indent + code]
                at -= 1
        at += 1
    return lines


def main():
    for name in sys.argv[1:]:
        path = Path(name)
        before = path.read_text(encoding="utf-8")
        after = "\n".join(wrapped(before.splitlines())) + "\n" if before else before
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"wrapped {name}")


if __name__ == "__main__":
    main()
