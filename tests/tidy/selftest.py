#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each rule of the tidy test must be able to fail: every row plants one violation and names the rule that
must report it, in that file and on that line. A clean tree with tricky good forms must give no finding."""

import sys
import tempfile
import unittest
from pathlib import Path

import nm_test
import wrap_comments
import tidy_test
from source import Tree

HEAD = "// SPDX-License-Identifier: Apache-2.0\n// An abstract.\n"
ONCE = HEAD + "#pragma once\n"
LAYER = (
    ONCE
    + """class Foo {
 public:
  static constexpr Descriptor descriptor{};
  template <class P> void down(Message& m, P below) { below(m); }
  template <class P> void up(Message& m, P above) { above(m); }
};
"""
)
PAGE = "".join(f"## {h}\n\nNone.\n\n" for h in tidy_test.whole.HEADINGS)


def body(lines):
    return "void f() {\n" + "  g();\n" * (lines - 2) + "}\n"


# rule that must speak, path, line, content
BAD = [
    ("include", "stack/a.cpp", 3, HEAD + "#include <harness/layers/frag.hpp>\n"),
    ("include", "stack/a.cpp", 3, HEAD + "#include <sys/socket.h>\n"),
    ("include", "stack/a.cpp", 3, HEAD + "#include <unistd.h>\n"),
    ("include", "stack/a.cpp", 3, HEAD + "#include <thread>\n"),
    ("include", "stack/a.cpp", 3, HEAD + "#include <mutex>\n"),
    ("include", "stack/a.cpp", 3, HEAD + "#include <chrono>\n"),
    ("include", "stack/a.cpp", 3, HEAD + "#include <fmt/format.h>\n"),
    ("include", "stack/a.cpp", 3, HEAD + "#include <boost/asio.hpp>\n"),
    ("include", "stack/a.cpp", 3, HEAD + "#include <openssl/evp.h>\n"),
    ("include", "stack/a.cpp", 3, HEAD + '#include "b.hpp"\n'),
    ("include", "layers/order.cpp", 3, HEAD + "#include <harness/layers/frag.hpp>\n"),
    ("include", "layers/order.cpp", 3, HEAD + "#include <harness/layers/wire/frag.hpp>\n"),
    ("include", "layers/check/order.cpp", 3, HEAD + "#include <harness/layers/order.hpp>\n"),
    ("include", "layers/order.cpp", 3, HEAD + "#include <harness/transports/tcp.hpp>\n"),
    ("include", "layers/order.cpp", 3, HEAD + "#include <harness/kernel/vm.hpp>\n"),
    ("include", "layers/order.cpp", 3, HEAD + "#include <zstd.h>\n"),
    ("include", "layers/compress.cpp", 3, HEAD + "#include <openssl/evp.h>\n"),
    ("include", "transports/tcp.cpp", 3, HEAD + "#include <harness/layers/frag.hpp>\n"),
    ("include", "transports/tcp.cpp", 3, HEAD + "#include <rdma/fabric.h>\n"),
    ("include", "transports/tcp.hpp", 4, ONCE + "#include <sys/socket.h>\n"),
    ("include", "policies/link.cpp", 3, HEAD + "#include <harness/stack/env.hpp>\n"),
    ("include", "policies/link.cpp", 3, HEAD + "#include <fstream>\n"),
    ("include", "kernel/vm.cpp", 3, HEAD + "#include <harness/layers/frag.hpp>\n"),
    ("include", "kernel/vm.cpp", 3, HEAD + "#include <harness/transports/tcp.hpp>\n"),
    ("include", "kernel/vm.cpp", 3, HEAD + "#include <rdma/fabric.h>\n"),
    ("include", "apps/harness/main.cpp", 3, HEAD + "#include <harness/bench/x.hpp>\n"),
    ("include", "apps/harness/main.cpp", 3, HEAD + "#include <harness/nowhere/x.hpp>\n"),
    ("dead", "stack/lonely.hpp", 1, ONCE),
    ("spdx", "stack/a.cpp", 1, "// An abstract.\nint x;\n"),
    ("spdx", "tests/x/check.sh", 1, "#!/bin/bash\n# An abstract.\n"),
    ("abstract", "stack/a.cpp", 2, "// SPDX-License-Identifier: Apache-2.0\nint x;\n"),
    ("once", "stack/a.hpp", 1, HEAD + "int x;\n"),
    ("file-lines", "stack/a.cpp", 1, HEAD + "\n" * 399),
    ("cmake-lines", "stack/CMakeLists.txt", 1, "# SPDX-License-Identifier: Apache-2.0\n" + "# x\n" * 15),
    ("columns", "stack/a.cpp", 3, HEAD + "//" + "x" * 109 + "\n"),
    ("function-lines", "stack/a.cpp", 3, HEAD + body(71)),
    ("function-lines", "stack/a.cpp", 4, HEAD + "namespace x {\n" + body(71) + "}\n"),
    ("function-lines", "stack/a.cpp", 4, HEAD + "class X {\n" + body(71) + "};\n"),
    ("function-lines", "stack/a.cpp", 3, HEAD + "X::X(int a) : a_{a}, b_(1) {\n" + "  g();\n" * 70 + "}\n"),
    ("function-lines", "tests/a_test.cpp", 3, HEAD + "TEST(A, SaysWhatHolds) {\n" + "  g();\n" * 70 + "}\n"),
    (
        "function-lines",
        "tests/a.py",
        3,
        "# SPDX-License-Identifier: Apache-2.0\n# x\ndef f():\n" + "    pass\n" * 70,
    ),
    ("thread", "stack/a.cpp", 3, HEAD + "std::thread t;\n"),
    ("clock", "layers/order.cpp", 3, HEAD + "auto t = std::chrono::steady_clock::now();\n"),
    ("chance", "tests/a_test.cpp", 3, HEAD + "int x = rand();\n"),
    ("chance", "layers/order.cpp", 3, HEAD + "std::mt19937 r;\n"),
    ("sleep", "tests/a_test.cpp", 3, HEAD + "void f() { std::this_thread::sleep_for(x); }\n"),
    ("sleep", "tests/a_test.cpp", 3, HEAD + "void f() { sleep(1); }\n"),
    ("print", "transports/tcp.cpp", 3, HEAD + 'void f() { std::printf("x"); }\n'),
    ("print", "stack/a.cpp", 3, HEAD + "void f() { std::cerr << 1; }\n"),
    ("throw", "stack/a.cpp", 3, HEAD + "void f() { throw 1; }\n"),
    ("assert", "stack/a.cpp", 3, HEAD + "void f() { assert(x); }\n"),
    ("die", "transports/tcp.cpp", 3, HEAD + "void f() { std::abort(); }\n"),
    ("signal", "transports/tcp.cpp", 3, HEAD + "void f() { signal(2, g); }\n"),
    ("unsafe", "apps/harness/main.cpp", 3, HEAD + "int x = atoi(y);\n"),
    ("goto", "stack/a.cpp", 3, HEAD + "void f() { goto x; }\n"),
    ("using", "stack/a.cpp", 3, HEAD + "using namespace std;\n"),
    ("regex", "stack/a.cpp", 3, HEAD + "std::regex r;\n"),
    ("volatile", "stack/a.cpp", 3, HEAD + "volatile int x;\n"),
    ("ifdef", "layers/order.cpp", 3, HEAD + "#ifdef NDEBUG\n#endif\n"),
    ("todo", "stack/a.cpp", 3, HEAD + "// TODO tomorrow\n"),
    ("name", "stack/BadName.cpp", 1, HEAD),
    ("test-name", "tests/a_test.cpp", 3, HEAD + "TEST(Frag, Works) {}\n"),
    ("workplace", "README.md", 1, "see /home" + "/somebody/x\n"),
    ("workplace", "README.md", 1, "from deb." + "example.org\n"),
    ("layer", "layers/foo.hpp", 1, LAYER),
    ("anatomy", "layers/foo.hpp", 1, ONCE + "Descriptor descriptor;\nvoid up();\nvoid down();\n"),
    ("link", "docs/a.md", 2, "x\n[gone](gone.md)\n"),
    ("packages", "packages.txt", 2, "[build]\ncmake\n"),
]

GOOD = {
    "stack/a.hpp": ONCE
    + """#include <cstdint>
#include <harness/config.hpp>
#include <tl/expected.hpp>
#include <boost/intrusive/list.hpp>
// printf, rand() and std::thread in a comment, 1'000 separators and "std::mutex" in a literal are no calls
const char* const text = "std::thread assert(x) {"; const char* raw = R"(goto { rand() )"; int n = 1'000'000;
template <class T, class... U> requires std::is_same_v<T, int> struct Table { int f() { return 1; } };
""",
    "stack/a.cpp": HEAD
    + """#include <harness/stack/a.hpp>
int deadline_time(int); int t = deadline_time(0);
"""
    + body(70)
    + "namespace x {\n"
    + "int y;\n" * 100
    + "}\nint z[] = {\n"
    + "  f(1),\n" * 80
    + "};\n",
    "stack/assert.cpp": HEAD + "void f() { std::fputs(x, y); std::abort(); }\n",
    "stack/property.hpp": ONCE,
    "stack/b.cpp": HEAD + "#include <harness/stack/a.hpp>\n#include <harness/stack/property.hpp>\n",
    "policies/link.hpp": ONCE + "#include <harness/stack/property.hpp>\n",
    "policies/link.cpp": HEAD + "#include <harness/policies/link.hpp>\n",
    "layers/foo.hpp": LAYER.replace("class Foo", "#include <harness/layers/wire/foo.hpp>\nclass Foo"),
    "layers/wire/foo.hpp": ONCE,
    "layers/all.cpp": HEAD + "#include <harness/layers/foo.hpp>\n",
    "layers/compress.cpp": HEAD + "#include <zstd.h>\n#include <harness/policies/link.hpp>\n",
    "transports/tcp.cpp": HEAD + "#include <sys/socket.h>\n#ifdef __linux__\n#endif\n#include <thread>\n",
    "docs/layers/foo.md": PAGE,
    "bench/micro/layers.cpp": HEAD + "// foo\n",
    "tests/unit/layers/foo_test.cpp": HEAD + "TEST(Foo, KeepsItsOrder) { std::mt19937_64 r(1); }\n",
    "apps/harness/main.cpp": HEAD
    + """#include <harness/layers/all.hpp>
#include <cstdio>
int main() { std::printf("x"); }
""",
}


class EveryRuleCanFail(unittest.TestCase):
    def tree(self, files):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for path, content in files.items():
            file = Path(folder.name) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
        return Tree(folder.name)

    def test_bad_snippets_are_reported(self):
        for rule, path, line, content in BAD:
            with self.subTest(rule=rule, path=path, content=content[-60:]):
                findings = tidy_test.findings_of(self.tree({path: content}))
                self.assertIn((rule, path, line), [(f.rule, f.path, f.line) for f in findings])

    def test_good_tree_is_silent(self):
        self.assertEqual([], [str(f) for f in tidy_test.findings_of(self.tree(GOOD))])

    def test_every_rule_is_planted(self):
        planted = {rule for rule, *_ in BAD}
        named = {rule for rule, *_ in tidy_test.style.BANNED} | {
            "include",
            "dead",
            "layer",
            "anatomy",
            "link",
        }
        self.assertEqual(set(), named - planted)

    def test_a_reason_allows_one_line(self):
        files = {
            "stack/a.cpp": HEAD + "std::regex r;  // tidy: allow regex: shown in a test\nstd::regex s;\n"
        }
        lines = [f.line for f in tidy_test.findings_of(self.tree(files)) if f.rule == "regex"]
        self.assertEqual([4], lines)

    def test_the_checkout_path_is_a_workplace(self):
        tree = self.tree({"docs/a.md": "x\n"})
        (tree.root / "docs/a.md").write_text(f"see {tree.root}/docs\n", encoding="utf-8")
        self.assertIn("workplace", [f.rule for f in tidy_test.findings_of(Tree(tree.root))])

    def test_ratchet_only_goes_down(self):
        tree = self.tree({"stack/a.cpp": HEAD + "\n" * 448})
        findings = tidy_test.findings_of(tree)
        key = ("file-lines", "stack/a.cpp")
        self.assertEqual(([], []), tidy_test.apply_ratchet(findings, {key: 450}))
        self.assertTrue(tidy_test.apply_ratchet(findings, {key: 449})[0], "worse than the ratchet")
        self.assertTrue(
            tidy_test.apply_ratchet(findings, {key: 451})[1], "better than the ratchet: it must follow"
        )

    def test_symbols_of_the_system_are_strangers(self):
        outside = (
            "socket epoll_wait pthread_create clock_gettime open read write fputs stderr getenv std::cout "
            "nanosleep std::thread::_M_start_thread(int) std::chrono::_V2::steady_clock::now() "
            "std::random_device::_M_getval() harness::layers::Frag::up() fmt::v9::vformat(int)"
        )
        inside = "memcpy free harness::Message::reserve() std::__throw_length_error(char)"
        listing = "libx.a[a.cpp.o]:\nharness::Message::reserve() T 0000000000000000 0000000000000010\n"
        listing += "".join(f"{name} U         \n" for name in (outside + " " + inside).split())
        found = nm_test.strangers(listing)
        self.assertEqual(set(outside.split()), set(found))
        self.assertEqual({"a.cpp.o"}, set(found.values()))

    def test_long_comments_are_wrapped_and_tables_left(self):
        words = "// " + "word " * 24 + "end"
        self.assertEqual(
            ["// " + "word " * 20 + "word", "// word word word end next line", "// - a list"],
            wrap_comments.wrapped([words, "// next line", "// - a list"]),
        )
        table = "// | a |" + " " * 110 + "|"
        self.assertEqual([table], wrap_comments.wrapped([table]))
        code = "  call();  // " + "x" * 100
        self.assertEqual(["  // " + "x" * 100, "  call();"], wrap_comments.wrapped([code]))


if __name__ == "__main__":
    sys.exit(unittest.main())
