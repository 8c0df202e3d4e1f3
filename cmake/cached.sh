#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles through ccache: cmake/cached.sh CCACHE COMPILER ARGUMENT…
#
# A precompiled header of GCC is good only for headers with the times it has seen, so one from the cache
# breaks a build whose headers were checked out anew. It is compiled here each time, and what was compiled
# with it is known by the sum of its text and macros, so that the same text hits the cache from every folder.
set -eu
ccache=$1
shift

# sum_text HEADER COMPILER ARGUMENT…: writes the sum of what the precompiled header is made from.
sum_text() {
  header=$1 previous=
  shift
  for word; do
    shift
    [ "$previous" = -o ] && set -- "$@" "$header.text" || set -- "$@" "$word"
    previous=$word
  done
  rm -f "$header" # it would be read instead
  "$@" -E -P -dD
  sha256sum <"$header.text" >"$header.sum"
  rm "$header.text"
}

kind= out= previous=
for word; do
  case $previous in
    -o) out=$word ;;
    -x) kind=$word ;;
  esac
  previous=$word
done
case $kind,$out in
  c++-header,*.gch)
    sum_text "$out" "$@"
    exec "$@"
    ;;
esac
export CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_PCH_EXTSUM=true
exec "$ccache" "$@"
