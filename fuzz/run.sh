#!/bin/sh
# Builds the fuzz target of the native code with Clang, addresses and undefined behaviour checked, and runs it. Two runs
# in one tree take turns to build.
# Usage: fuzz/run.sh SECONDS
set -eu
cd "$(dirname "$0")/.."
build=build/fuzz/native
mkdir -p "$build" build/fuzz/events
quietly() { "$@" >"$build/log" 2>&1 || { cat "$build/log"; exit 1; }; }
(
  if command -v flock >/dev/null; then flock 9; fi
  export CXX=clang++
  unset MAKEFLAGS  # those of a make that called are not for the one that CMake calls
  quietly cmake -S . -B "$build" -DBSTDG_FUZZERS=ON -DBSTDG_SANITIZE=memory -DBSTDG_INSTRUCTION_SETS=generic
  quietly cmake --build "$build" --parallel "$(getconf _NPROCESSORS_ONLN)"
) 9>"$build/lock"
"$build/fuzz/fuzz_events" -max_total_time="$1" -max_len=4096 -artifact_prefix=build/fuzz/ build/fuzz/events
