#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No operating system in a pure library: every symbol that it needs and does not define must be on a list.

  tests/tidy/nm_test.py nm build/dev/stack/libharness_stack.a

A list of what is allowed, not of what is forbidden: a new system call would always be missing from the
latter. Names are matched demangled. What a sanitizer or gcov adds is allowed; so is memory, and the C++ run
time as far as it keeps to itself: std::thread, clocks, files and streams are not on the list."""

import re
import subprocess
import sys

ALLOWED = re.compile("|".join(f"(?:{p})" for p in (
    r"mem(cpy|move|set|cmp|chr)", r"str(len|cmp|ncmp|chr)", r"bcmp",
    r"malloc|free|realloc|aligned_alloc|abort", r"__assert_fail",  # Boost.Intrusive's assertions
    r"operator (new|delete)(\[\])?\(.*", r"_GLOBAL_OFFSET_TABLE_", r"__dso_handle", r"__stack_chk_fail",
    r"__tls_get_addr", r"__libc_single_threaded", r"__cxa_\w+", r"__gxx_personality_v0",
    r"_Unwind_\w+", r"_ITM_\w+",
    r"(vtable|typeinfo|typeinfo name) for (__cxxabiv1::.*|std::\w*(exception|error|bad_\w+))",
    r"std::__throw_\w+\(.*", r"std::terminate\(\)", r"std::__glibcxx_assert_fail\(.*", r"std::bad_\w+::.*",
    r"std::(exception|logic_error|runtime_error|length_error|out_of_range)::.*", r"std::nothrow",
    r"(\w[\w:<>, ]* )?std::__cxx11::basic_string<.*", r"std::(to_chars|from_chars)\(.*",
    r"std::__detail::(_Prime_rehash_policy|_List_node_base|__(to|from)_chars\w*).*", r"std::_Rb_tree_\w+\(.*",
    r"std::_Hash_bytes\(.*", r"std::_Fnv_hash_bytes\(.*", r"std::pmr::.*",
    r"__(popcount|clz|ctz|parity)[sdt]i2",  # of the compiler, where the machine has no such instruction
    r"([\w:<>,*& ]+ )?harness::(?!layers|transports|policies|kernel|apps).*",  # the linker's to tell
    r"(powl?|log2?|exp|sqrt|ceil|floor|l?l?round)f?",  # arithmetic
    r"__(asan|ubsan|tsan|gcov|sanitizer|sancov|lsan)_\w+.*", r"__start_\w+|__stop_\w+",
)))  # fmt: skip


def symbols(listing):
    """(defined, undefined → the object that needs it) of `nm -C --format=posix` on an archive."""
    defined, undefined, member = set(), {}, "?"
    for line in listing.splitlines():
        if match := re.fullmatch(r".*\[(.+)\]:", line):
            member = match.group(1)
        elif match := re.fullmatch(r"(.+?) ([A-Za-z])( [0-9a-f]*)*\s*", line):
            name, kind = match.group(1), match.group(2)
            if kind in "Uwv":
                undefined.setdefault(name, member)
            else:
                defined.add(name)
    return defined, undefined


def strangers(listing, also=()):
    """The symbols that come from outside and are on no list, each with the object that needs it."""
    defined, undefined = symbols(listing)
    extra = re.compile("|".join(also)) if also else None
    return {
        name: member
        for name, member in undefined.items()
        if name not in defined and not ALLOWED.fullmatch(name) and not (extra and extra.match(name))
    }


def main():
    nm, library, *also = sys.argv[1:]
    listing = subprocess.run(
        [nm, "-C", "--format=posix", library], capture_output=True, check=True, text=True
    ).stdout
    found = strangers(listing, also)
    for name, member in sorted(found.items()):
        print(f"error: {member} needs '{name}'")
    if found:
        print(f"because: {library} also runs in simulations, and may call nothing outside itself")
        print(
            "try: take it through Env or Engine; or, if harmless, add it to ALLOWED in tests/tidy/nm_test.py"
        )
        return 1
    print(f"{library}: nothing from the operating system")
    return 0


if __name__ == "__main__":
    sys.exit(main())
