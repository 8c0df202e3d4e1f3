# SPDX-License-Identifier: Apache-2.0
"""Rules about the tree: a layer lands whole, pages do not point into the void."""

import re

from includes import SHARED_NAMES, layer_of
from source import Finding

HEADINGS = (
    "Protocol",
    "Options",
    "Contract",
    "Header",
    "Events",
    "Failure behaviour",
    "Testing",
    "Measured cost",
    "Sources",
)
ANATOMY = ("descriptor", "down", "up", "on", "describe")
FAMILIES = ("check", "fault")  # property checkers and fault layers: one page and test a family may serve all


def _layers(tree):
    for source in tree.cpp("layers"):
        if source.is_header and "wire" not in source.pure.parts and source.pure.stem not in SHARED_NAMES:
            if re.search(r"\bDescriptor\s+descriptor\b", source.code):
                yield layer_of(source.path), source


def _family(layer):
    return next((family for family in FAMILIES if layer.startswith(family + "_")), None)


def _page(tree, layer):
    for name in (layer, _family(layer)):
        if name and tree.has(f"docs/layers/{name}.md"):
            return tree.sources[f"docs/layers/{name}.md"]
    return None


def layers_are_whole(tree):
    bench = "\n".join(s.text for s in tree.cpp("bench"))
    for layer, source in _layers(tree):

        def missing(what, advice, at=source):
            return Finding("layer", at.path, 1, f"layer {layer}: {what}", advice)

        page = _page(tree, layer)
        if page is None:
            yield missing("no page", f"write docs/layers/{layer}.md with the headings {', '.join(HEADINGS)}")
            continue
        found = re.findall(r"^## (.+?)\s*$", page.text, re.MULTILINE)
        for heading in HEADINGS:
            if heading not in found:
                yield missing(f"the page lacks '## {heading}'", "write it; 'None.' is an answer", page)
        says_none = re.search(r"^## Header\s+None\b", page.text, re.MULTILINE)
        says_none = says_none or ".headers = {}" in source.code  # one of a family whose others have headers
        if not tree.has(f"layers/wire/{layer}.hpp") and not says_none:
            yield missing(
                "no wire file", f"layers/wire/{layer}.hpp, or 'None.' under '## Header' of its page"
            )
        family = _family(layer)
        tests = {s.pure.name for s in tree.cpp("tests")}
        if not tests & {f"{layer}_test.cpp", f"{family}_test.cpp"}:
            yield missing("no unit test", f"tests/unit/layers/{layer}_test.cpp")
        if not family and not re.search(rf"\b{layer}\b", bench):
            yield missing("no benchmark of its name", f"a row '{layer}' in bench/micro")


def layer_anatomy(tree):
    """Descriptor, down, up, on, describe: in this order in every layer, so that it is learnt once."""
    for layer, source in _layers(tree):
        at = {}
        for part in ANATOMY:
            pattern = r"\bDescriptor\s+descriptor\b" if part == "descriptor" else rf"\bvoid\s+{part}\s*\("
            if match := re.search(pattern, source.code):
                at[part] = match.start()
        if list(at) != sorted(at, key=at.get):
            yield Finding(
                "anatomy",
                source.path,
                1,
                f"layer {layer} has its parts in the order {sorted(at, key=at.get)}",
                f"the order is {', '.join(ANATOMY)}",
            )


def pages_point_somewhere(tree):
    for source in tree:
        if source.pure.suffix != ".md":
            continue
        for match in re.finditer(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", source.text):
            target = match.group(1)
            if "://" in target or target.startswith("mailto:"):
                continue
            if not (source.root / source.path).parent.joinpath(target).exists():
                yield Finding(
                    "link",
                    source.path,
                    source.text.count("\n", 0, match.start()) + 1,
                    f"the link to {target} leads nowhere",
                    "correct it, or write the page",
                    1,
                )


def packages_are_explained(tree):
    if not tree.has("packages.txt"):
        return
    for number, line in enumerate(tree.sources["packages.txt"].lines, 1):
        if line and line[0] not in "#[" and not re.fullmatch(r"[a-z0-9][a-z0-9.+-]+ +# .+", line):
            yield Finding("packages", "packages.txt", number, f"'{line}'", "name, then # and what needs it")
