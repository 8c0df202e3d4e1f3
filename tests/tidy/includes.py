# SPDX-License-Identifier: Apache-2.0
"""The direction of dependence: which folder may include what (in words: docs/architecture.md)."""

import re
from pathlib import PurePosixPath

from source import Finding

LIBRARIES = ("stack", "layers", "transports", "policies", "kernel")
FOLDERS = LIBRARIES + ("apps", "examples", "bench", "tests")

MAY = {  # folders of ours that a folder may include, besides itself
    "stack": (),
    "policies": ("stack",),
    "layers": ("stack", "policies"),
    "transports": ("stack",),
    "kernel": ("stack", "policies"),
    "apps": LIBRARIES,
    "examples": LIBRARIES + ("apps",),
    "bench": LIBRARIES + ("apps", "layers", "tests"),
    "tests": LIBRARIES + ("apps", "bench", "examples"),
}
# Values of stack that a policy may know, and compose, which is a pure function of them: no message, no timer,
# no Env, nothing that acts.
VALUE_HEADERS = "address bytes catalogue compose descriptor option property result spec text view".split()

# The C++ library where neither time, chance, threads nor the outside world is.
PURE_STD = set(
    """algorithm any array atomic bit bitset cassert cctype charconv cinttypes climits cmath compare
    concepts cstddef cstdint cstdlib cstring deque exception functional forward_list
    initializer_list iterator limits list map memory memory_resource new numbers numeric optional
    queue ranges ratio set source_location span stack stdexcept string string_view tuple type_traits
    typeindex typeinfo unordered_map unordered_set utility valarray variant vector version stdint.h
    stddef.h string.h""".split()
)
OTHER_STD = set(
    """barrier cerrno cfenv chrono clocale codecvt complex condition_variable coroutine csetjmp csignal
    cstdarg cstdio ctime cuchar cwchar cwctype execution filesystem format fstream future iomanip
    ios iosfwd iostream istream latch locale mutex ostream random regex scoped_allocator semaphore
    shared_mutex sstream stop_token streambuf syncstream system_error thread""".split()
)
PURE = ("stack", "layers", "policies")
OWN_LIBRARIES = {  # <header or prefix>: where alone it may stand
    "lz4": r"layers/compress(/codec)?\.cpp",
    "zstd": r"layers/compress(/codec)?\.cpp",
    "openssl/": r"layers/encrypt.*\.cpp|kernel/identity/.*\.cpp|apps/.*\.cpp|tests/.*|bench/.*",
    "sodium": r"layers/encrypt.*\.cpp|transports/udp/tokens\.cpp|kernel/identity/.*\.cpp|apps/.*\.cpp|"
    r"tests/.*|bench/.*",
    "intel-ipsec-mb.h": r"layers/encrypt/engine_ipsec_mb\.cpp",
    "rdma/": r"transports/ofi.*\.cpp|transports/ofi/.*\.(cpp|hpp)|tests/.*|bench/.*",
    "CLI/": r"(apps|bench|examples)/.*\.cpp",
    "toml++/": r"(apps|tests)/.*\.cpp",
    "nlohmann/": r"(apps|bench)/.*\.cpp|tests/.*",
    "spdlog/": r"apps/.*\.cpp",
    "zmq": r"bench/.*\.cpp",
    "fmt/": r"(?!stack/).*\.cpp|(apps|bench|tests)/.*",
}
SHARED_NAMES = ("common", "support", "all")


def layer_of(path):
    """The layer a file under layers/ belongs to; its wire file and a folder of its name belong to it too."""
    parts = PurePosixPath(path).with_suffix("").parts[1:]
    if parts[0] == "wire":
        return parts[1]
    if parts[0] in ("check", "fault", "group") and len(parts) > 1:
        return parts[1] if parts[1].startswith(parts[0] + "_") else f"{parts[0]}_{parts[1]}"
    return parts[0]


def _refuse(source, line, what, advice):
    return Finding("include", source.path, line, what, advice)


def _ours(source, line, target):
    folder = target.split("/")[0]
    if target == "config.hpp":
        return None
    if folder not in FOLDERS:
        return _refuse(
            source, line, f"<harness/{target}> is in no folder of ours", "see the map of folders in README.md"
        )
    if folder != source.folder and folder not in MAY[source.folder]:
        return _refuse(
            source,
            line,
            f"{source.folder} may not include {folder}",
            f"move what is needed down, or hand it in through an interface of {source.folder}",
        )
    if source.folder == "policies" and folder == "stack" and PurePosixPath(target).stem not in VALUE_HEADERS:
        return _refuse(
            source,
            line,
            f"policies may not include <harness/{target}>",
            "a policy takes facts and returns a value: only the value headers of stack are open to it",
        )
    if (
        source.folder == "layers"
        and folder == "layers"
        and PurePosixPath(source.path).stem not in SHARED_NAMES
    ):
        mine, other = layer_of(source.path), layer_of(target)
        if mine != other and PurePosixPath(target).stem not in SHARED_NAMES:
            return _refuse(
                source,
                line,
                f"layer {mine} includes layer {other}",
                "layers meet only in a stack: state the need in the contract",
            )
    return None


def _system(source, line, target):
    for prefix, where in OWN_LIBRARIES.items():
        if target.startswith(prefix):
            return (
                None
                if re.fullmatch(where, source.path)
                else _refuse(source, line, f"<{target}> may not stand here", f"it belongs to {where}")
            )
    if source.folder not in LIBRARIES or target in PURE_STD or target.startswith(("tl/", "boost/intrusive/")):
        return None
    if target in OTHER_STD:
        if source.folder not in PURE:
            return None
        return _refuse(
            source,
            line,
            f"<{target}> in {source.folder}: time, chance, threads and files come from outside",
            "take it from Env or Engine (stack/env.hpp, stack/engine.hpp)",
        )
    if source.folder in PURE:
        return _refuse(
            source,
            line,
            f"<{target}> in {source.folder}",
            "only std, tl::expected and Boost.Intrusive are open to it",
        )
    if source.is_header:
        return _refuse(
            source, line, f"the system header <{target}> in a header", "include it in the .cpp, hide the type"
        )
    return None


def include_direction(tree):
    for source in tree.cpp():
        if source.folder not in FOLDERS:
            continue
        for line, spelling in source.includes:
            target = spelling[1:-1]
            if spelling[0] == '"':
                finding = _refuse(
                    source, line, f"{spelling} is a relative include", "write <harness/folder/file.hpp>"
                )
            elif target.startswith("harness/"):
                finding = _ours(source, line, target.removeprefix("harness/"))
            else:
                finding = _system(source, line, target)
            if finding:
                yield finding


def no_dead_header(tree):
    included = {}
    for source in tree.cpp():
        for _, spelling in source.includes:
            included.setdefault(spelling[1:-1].removeprefix("harness/"), set()).add(source.path)
    for source in tree.cpp(*LIBRARIES, "apps"):
        own = {source.path, str(source.pure.with_suffix(".cpp"))}
        if source.is_header and not included.get(source.path, set()) - own:
            yield Finding(
                "dead", source.path, 1, "no other file includes this header", "delete it, or use it", 1
            )
