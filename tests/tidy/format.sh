#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# format.sh CLANG-FORMAT [--all]: formats the C++ files that differ from main, or all of them. Only what one
# touched: a format of everything is a commit of its own, made when nobody else is at work.
set -euo pipefail
clang_format=$1
cd "$(dirname "$(readlink -f "$0")")/../.."
patterns=('*.hpp' '*.cpp' '*.h' '*.c')
if [[ ${2-} == --all ]]; then
  mapfile -t files < <(git ls-files -co --exclude-standard -- "${patterns[@]}")
else
  base=$(git merge-base HEAD main 2>/dev/null || echo HEAD)
  mapfile -t files < <(
    git diff --name-only --diff-filter=d "$base" -- "${patterns[@]}"
    git ls-files -o --exclude-standard -- "${patterns[@]}"
  )
fi
((${#files[@]})) || exit 0
"$clang_format" -i "${files[@]}"
tests/tidy/wrap_comments.py "${files[@]}"
