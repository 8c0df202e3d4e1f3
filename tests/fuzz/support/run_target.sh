#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run_target.sh PROGRAM SEEDS WORK: runs one fuzz target for HARNESS_FUZZ_SECONDS (default 2) from the
# committed seeds. New inputs, and the one that crashed it, are kept in WORK, which is in the build folder.
# HARNESS_FUZZ_FLAGS are more of libFuzzer's.
set -euo pipefail
program=$1 seeds=$2 work=$3
mkdir -p "$work/corpus" "$work/crashes"
folders=("$work/corpus")
[[ -d $seeds ]] && folders+=("$seeds")
"$program" -max_total_time="${HARNESS_FUZZ_SECONDS:-2}" -artifact_prefix="$work/crashes/" -timeout=10 \
  -rss_limit_mb=1024 -print_final_stats=1 ${HARNESS_FUZZ_FLAGS-} "${folders[@]}"
