#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run_part.sh REPORT PART PARTS PROGRAM ARGUMENT…: runs this part of the cases that the arguments choose in
# one process. REPORT.xml is GoogleTest's, left only by a process that ended as its cases did; when it died,
# the last lines name the case that it died in. REPORT.failed names the cases that failed.
set -uo pipefail
report=$1 part=$2 parts=$3 program=$4
shift 4
mkdir -p "$(dirname "$report")"
rm -f "$report".{xml,failed,log}
export GTEST_SHARD_INDEX=$((part - 1)) GTEST_TOTAL_SHARDS=$parts
"$program" "$@" --gtest_output="xml:$report.xml" 2>&1 | tee "$report.log"
status=${PIPESTATUS[0]}

failed=$(sed -n 's/^\[  FAILED  \] \([^ ,]*\).* ms)$/\1/p' "$report.log" | sort -u)
if [[ ! -s $report.xml ]] || ((status && ! ${#failed})); then
  rm -f "$report.xml"
  last=$(sed -n 's/^\[ RUN      \] //p' "$report.log" | tail -n 1)
  where="in $last; the cases after it did not run"
  grep -qF "] $last (" "$report.log" && where="after $last, outside the cases"
  printf '\nerror: the process ended with status %d\nbecause: it died %s\ntry: %s --gtest_filter=%s\n' \
    "$status" "$where" "$program" "$last"
  failed+=${failed:+$'\n'}"$last (the process died)" status=1
fi
rm -f "$report.log"
((status == 0)) || echo "$failed" >"$report.failed"
exit "$status"
