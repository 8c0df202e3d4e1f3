# SPDX-License-Identifier: Apache-2.0
"""Rules about one file at a time: sizes, first lines, banned calls with their replacement, places."""

import ast
import re
from pathlib import Path

from includes import LIBRARIES, PURE
from source import Finding

FILE_LINES_MAX, FUNCTION_LINES_MAX, COLUMNS_MAX, CMAKE_LINES_MAX = 400, 70, 110, 15
NO_COLUMNS = (".md", ".patch", ".json", ".txt", ".lua", ".html")  # tables and data do not wrap
GENERATED_OR_FOREIGN = ("LICENSE",)
EVERYWHERE = LIBRARIES + ("apps", "examples", "bench", "tests")

# rule, folders, pattern over code without comments and literals, what to do instead
BANNED = (
    (
        "thread",
        PURE,
        r"\bstd::(jthread|thread|mutex|lock_guard|unique_lock|condition_variable|async)\b",
        "a stack belongs to one engine's thread; work goes out through Env.offload",
    ),
    (
        "clock",
        PURE + ("kernel",),
        r"\bstd::chrono::\w*_clock\b|\b(clock_gettime|gettimeofday|time)\s*\(\s*(NULL|nullptr|0|&|CLOCK)",
        "time comes from Env",
    ),
    (
        "chance",
        EVERYWHERE,
        r"(?<![\w:.>])s?rand\s*\(|\bstd::random_device\b|\brandom_shuffle\b",
        "randomness comes from Env; in a test from <harness/tests/support/seed.hpp>",
    ),
    (
        "chance",
        LIBRARIES,
        r"\bstd::(mt19937(_64)?|default_random_engine)\b",
        "randomness comes from Env (stack/random.hpp)",
    ),
    (
        "sleep",
        ("tests", "examples"),
        r"\b(sleep_for|sleep_until|usleep|nanosleep)\b|(?<![\w:.>])sleep\s*\(",
        "use virtual time (sim), or wait on the event itself with a bound",
    ),
    (
        "print",
        LIBRARIES,
        r"(?<![\w.>])(std::)?(printf|fprintf|puts|fputs|putchar|perror)\s*\(|\bstd::(cout|cerr|clog)\b",
        "return an Error, raise an event, or use Env's log; only apps print",
    ),
    (
        "throw",
        LIBRARIES,
        r"\bthrow\b(?!\s*\()",
        "return Errc or Result; no exception crosses a public function",
    ),
    ("assert", EVERYWHERE, r"(?<![\w:.>])assert\s*\(", "HARNESS_ASSERT, which stays in release builds"),
    (
        "die",
        LIBRARIES,
        r"(?<![\w.>])(std::)?(abort|exit|_exit|quick_exit|terminate)\s*\(",
        "return an error; HARNESS_ASSERT for a bug",
    ),
    (
        "signal",
        LIBRARIES,
        r"(?<![\w:.>])(signal|sigaction)\s*\(",
        "the program owns its signals, never a library",
    ),
    (
        "unsafe",
        EVERYWHERE,
        r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|alloca)\s*\(|(?<![\w.>:])system\s*\(",
        "a bounded form: memcpy with a checked length, fmt, std::from_chars, posix_spawn",
    ),
    ("goto", EVERYWHERE, r"\bgoto\b", "return early from a smaller function"),
    ("using", EVERYWHERE, r"\busing\s+namespace\s+std\b", "name what is used"),
    ("regex", LIBRARIES, r"\bstd::regex\b", "a parser by hand, with positions for its errors"),
    ("volatile", LIBRARIES, r"\bvolatile\b", "std::atomic"),
)
# A file that may do what others may not, and why; nothing else is exempt.
EXEMPT = {
    "die": ("stack/assert.cpp",),  # HARNESS_ASSERT itself
    "print": ("stack/assert.cpp",),
}
STANDARD_FOLDERS = "bin boot dev etc home lib media mnt opt proc root run sbin srv sys tmp usr var".split()
ALLOW = re.compile(r"tidy: allow ([\w-]+): \S+")
SCRIPT = (".py", ".sh", ".cmake", ".yml")


def _needs_spdx(source):
    return (
        source.is_cpp
        or source.pure.suffix in SCRIPT
        or source.pure.name == "CMakeLists.txt"
        or source.text.startswith("#!")
    )


def first_lines(tree):
    for source in tree:
        if not _needs_spdx(source) or source.path in GENERATED_OR_FOREIGN:
            continue
        lines = source.lines[1:] if source.text.startswith("#!") else source.lines
        if not lines or "SPDX-License-Identifier: Apache-2.0" not in lines[0]:
            yield Finding(
                "spdx",
                source.path,
                1,
                "the first line is not the licence",
                "// SPDX-License-Identifier: Apache-2.0 (after #! in a script)",
            )
        elif len(lines) < 2 or not re.match(r'//|/\*|#(?!include|pragma)|"""|--', lines[1]):
            yield Finding(
                "abstract",
                source.path,
                2,
                "no abstract after the licence line",
                "say what the file does, how, what was rejected and why, bounds, sources",
            )
        if source.pure.suffix == ".hpp" and "#pragma once" not in source.lines:
            yield Finding("once", source.path, 1, "no #pragma once", "add it after the abstract")


def sizes(tree):
    for source in tree:
        if (
            source.path in GENERATED_OR_FOREIGN
            or "corpus" in source.pure.parts
            or "golden" in source.pure.parts
        ):
            continue
        if (source.is_cpp or source.pure.suffix in SCRIPT) and len(source.lines) > FILE_LINES_MAX:
            yield Finding(
                "file-lines",
                source.path,
                1,
                f"{len(source.lines)} lines, at most {FILE_LINES_MAX}",
                "split it by concept: one concept a file pair",
                len(source.lines),
            )
        if (
            source.pure.name == "CMakeLists.txt"
            and len(source.pure.parts) > 1
            and len(source.lines) > CMAKE_LINES_MAX
        ):
            yield Finding(
                "cmake-lines",
                source.path,
                1,
                f"{len(source.lines)} lines, at most {CMAKE_LINES_MAX}",
                "move the how to cmake/, leave the what",
                len(source.lines),
            )
        if source.pure.suffix in NO_COLUMNS:
            continue
        for number, line in enumerate(source.lines, 1):
            if len(line) > COLUMNS_MAX and "http" not in line and not line.startswith("// |"):
                yield Finding(
                    "columns",
                    source.path,
                    number,
                    f"{len(line)} columns, at most {COLUMNS_MAX}",
                    "cmake --build build/dev --target format",
                    len(line),
                )


def function_sizes(tree):
    for source in tree:
        if source.is_cpp:
            spans = [(f.line, f.length) for f in source.functions()]
        elif source.pure.suffix == ".py":
            spans = [
                (n.lineno, n.end_lineno - n.lineno + 1)
                for n in ast.walk(ast.parse(source.text))
                if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))
            ]
        else:
            continue
        for line, length in spans:
            if length > FUNCTION_LINES_MAX:
                yield Finding(
                    "function-lines",
                    source.path,
                    line,
                    f"a function of {length} lines, at most {FUNCTION_LINES_MAX}",
                    "name its parts",
                    length,
                )


def _allowed(source, line, rule):
    """Whether the line, or a line of comment alone above it, gives a reason for an exception."""
    texts = [source.lines[line - 1]]
    if line >= 2 and source.lines[line - 2].lstrip().startswith(("//", "#")):
        texts.append(source.lines[line - 2])
    return any((m := ALLOW.search(text)) and m.group(1) == rule for text in texts)


def banned_calls(tree):
    for source in tree.cpp(*EVERYWHERE):
        for rule, folders, pattern, instead in BANNED:
            if source.folder not in folders or source.path in EXEMPT.get(rule, ()):
                continue
            for match in re.finditer(pattern, source.code):
                line = source.code.count("\n", 0, match.start()) + 1
                if not _allowed(source, line, rule):
                    yield Finding(
                        rule,
                        source.path,
                        line,
                        f"'{match.group().strip()}' is banned in {source.folder}",
                        instead,
                    )


def no_ifdef(tree):
    for source in tree.cpp(*EVERYWHERE):
        if source.folder in ("transports", "tests") or source.pure.suffix in (".h", ".c"):
            continue  # .h is the C ABI, which C++ reads through __cplusplus
        for number, line in enumerate(source.lines, 1):
            if re.match(r"\s*#\s*(ifn?def|if|elif)\b", line) and not _allowed(source, number, "ifdef"):
                yield Finding(
                    "ifdef",
                    source.path,
                    number,
                    "#if outside transports",
                    "if constexpr over a constant of <harness/config.hpp>",
                )


def todo_kinds(tree):
    for source in tree:
        for number, line in enumerate(source.lines, 1):
            if re.search(r"\b(TODO(?!\((perf|test|doc|feature)\))|FIXME|XXX|HACK)\b", line) and source.is_cpp:
                yield Finding(
                    "todo",
                    source.path,
                    number,
                    "a note without a kind",
                    "TODO(perf|test|doc|feature): what, or do it",
                )


def names(tree):
    for source in tree.cpp():
        if not re.fullmatch(r"[a-z0-9_]+", source.pure.stem):
            yield Finding(
                "name", source.path, 1, "a file name that is not snake_case", "letters, digits and _ only"
            )
        if source.folder != "tests":
            continue
        for match in re.finditer(r"\bTEST(?:_F|_P)?\(\s*\w+,\s*(\w+)\)", source.code):
            if len(re.findall(r"[A-Z0-9][a-z0-9]*", match.group(1))) < 3:
                yield Finding(
                    "test-name",
                    source.path,
                    source.code.count("\n", 0, match.start()) + 1,
                    f"'{match.group(1)}' is no sentence",
                    "say what holds: ResendsOnlyTheRangeTheAckLeavesOut",
                )


def workplace(tree):
    """Nothing of the place where this was written: its folders, homes, archive hosts; from where we stand."""
    above = {parent for parent in tree.root.parents if len(parent.parts) > 1}
    standard = {Path("/", name) for name in STANDARD_FOLDERS}
    places = {f"{parent}/" for parent in above - standard} | {str(tree.root)}
    patterns = [re.escape(place) for place in places] + [
        r"(?<![\w.])/(?:home|Users)/\w+",
        r"(?<![\w.])/root/\w",
        r"\b(?:deb|security|snapshot|archive|registry|proxy)\.\w+\.(?:org|com|io)\b",
    ]
    pattern = re.compile("|".join(f"(?:(?<![\\w.]){p})" if p.startswith("/") else p for p in patterns))
    for source in tree:
        if source.path == "LICENSE":
            continue
        for number, line in enumerate(source.lines, 1):
            if (match := pattern.search(line)) and not _allowed(source, number, "workplace"):
                yield Finding(
                    "workplace",
                    source.path,
                    number,
                    f"'{match.group()}' names a place outside the project",
                    "a relative path, an option, or what the machine says at run time",
                )
