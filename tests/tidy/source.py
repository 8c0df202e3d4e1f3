# SPDX-License-Identifier: Apache-2.0
"""The tree as the rules see it: files with their lines, code without comments and literals, functions.

A full parser was rejected: clang's needs the build and seconds a file. Braces of clang-formatted code are
regular enough for limits on size, and the self-test (selftest.py) shows what is recognised."""

import re
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

CPP = {".hpp", ".cpp", ".h", ".c"}
COMMENT_OR_LITERAL = re.compile(
    r"//[^\n]*|/\*.*?\*/"
    r'|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",
    re.DOTALL,
)
CONTROL = re.compile(r"\b(if|for|while|switch|catch|do|else|try)\b")
SCOPE = re.compile(
    r"^(inline\s+)?(namespace|class|struct|union|enum|extern)\b|\b(class|struct|union|enum)\s+[\w:]+[^()]*$"
)
INITIALISED_MEMBER = re.compile(r"\)[^:;]*(?<!:):(?!:).*[\w>]$", re.DOTALL)


@dataclass(frozen=True)
class Finding:
    rule: str
    path: str
    line: int
    text: str
    advice: str
    value: int = 0  # what the ratchet compares, for the rules about size

    def __str__(self):
        return f"{self.path}:{self.line}: [{self.rule}] {self.text}\n    try: {self.advice}"


@dataclass(frozen=True)
class Function:
    line: int
    length: int


@dataclass
class Source:
    root: Path
    path: str
    text: str = field(repr=False)

    @cached_property
    def pure(self):
        return PurePosixPath(self.path)

    @cached_property
    def lines(self):
        return self.text.splitlines()

    @cached_property
    def folder(self):
        return self.pure.parts[0] if len(self.pure.parts) > 1 else ""

    @cached_property
    def is_cpp(self):
        return self.pure.suffix in CPP

    @cached_property
    def is_header(self):
        return self.pure.suffix in {".hpp", ".h"}

    @cached_property
    def code(self):
        """The text with comments and literals blanked, same line numbers."""

        def blank(match):
            return (
                '""' + "\n" * match.group().count("\n")
                if match.group()[0] in "R\"'"
                else "\n" * match.group().count("\n")
            )

        return COMMENT_OR_LITERAL.sub(blank, self.text)

    @cached_property
    def includes(self):
        """(line, spelling with its brackets) of each include."""
        pattern = re.compile(r'^\s*#\s*include\s*([<"][^>"]+[>"])')
        return [(n, m.group(1)) for n, line in enumerate(self.lines, 1) if (m := pattern.match(line))]

    def functions(self):
        """Every outermost function body; a lambda belongs to the function it stands in."""
        found, stack, header, header_line, line = [], [], "", 1, 1
        for char in re.sub(r"(?m)^\s*#.*$", "", self.code):
            if char == "\n":
                line += 1
                header += " "
            elif char == "{":
                kind = self._kind(header.strip(), stack)
                stack.append((kind, header, header_line if header.strip() else line))
                if kind != "member":
                    header = ""
            elif char == "}" and stack:
                kind, before, begin = stack.pop()
                if kind == "function":
                    found.append(Function(begin, line - begin + 1))
                header = before + "{}" if kind == "member" else ""
            elif char == ";" and not header.count("(") > header.count(")"):
                header = ""
            else:
                if not header.strip() and not char.isspace():
                    header_line = line
                header += char
        return found

    @staticmethod
    def _kind(header, stack):
        if any(kind in ("function", "body") for kind, _, _ in stack):
            return "body"
        header = re.sub(
            r"^(template\s*<.*?>\s*(requires[^{]*?)?)(?=\w)|^(public|private|protected):\s*", "", header
        )
        if SCOPE.search(header) and not re.search(r"\)\s*(const|noexcept|override|->|$)", header):
            return "scope"
        if "(" not in header or CONTROL.match(header):
            return "scope" if not header.endswith("=") else "body"
        if INITIALISED_MEMBER.search(header):
            return "member"
        return "function" if not header.rstrip().endswith(("=", ",", "(")) else "body"


class Tree:
    """Every file of a checkout that git tracks or would track, or every file of a folder without git."""

    def __init__(self, root):
        self.root = Path(root).resolve()
        self.sources = {}
        for path in sorted(self._paths()):
            try:
                text = (self.root / path).read_text(encoding="utf-8")
            except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
                continue  # binary, or deleted in the work tree
            self.sources[path] = Source(self.root, path, text)

    def _paths(self):
        listed = subprocess.run(
            ["git", "-C", self.root, "ls-files", "-co", "--exclude-standard", "-z"],
            capture_output=True,
            check=False,
        )
        if listed.returncode == 0 and (self.root / ".git").exists():
            return {p for p in listed.stdout.decode().split("\0") if p}
        return {
            p.relative_to(self.root).as_posix()
            for p in self.root.rglob("*")
            if p.is_file() and not p.relative_to(self.root).parts[0].startswith(("build", ".git"))
        }

    def __iter__(self):
        return iter(self.sources.values())

    def cpp(self, *folders):
        return [s for s in self if s.is_cpp and (not folders or s.folder in folders)]

    def has(self, path):
        return path in self.sources
