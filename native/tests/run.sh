#!/bin/sh
# Builds the native tests with every warning an error and runs them under the sanitizers: addresses and undefined
# behaviour for all, data races for what runs on several threads. Two runs in one tree take turns.
# Usage: native/tests/run.sh        CXX=clang++ native/tests/run.sh
set -eu
cd "$(dirname "$0")/../.."
command -v cmake >/dev/null || { echo "the native tests are built by CMake 3.18 or later: pip install cmake"; exit 1; }
jobs=$(getconf _NPROCESSORS_ONLN)
CXX=${CXX:-c++}
unset MAKEFLAGS  # those of a make that called are not for the one that CMake calls
export CXX
quietly() { "$@" >"$build/log" 2>&1 || { cat "$build/log"; exit 1; }; }
for check in memory threads; do
  build=build/native/$(basename "$CXX")-$check
  mkdir -p "$build"
  (
    if command -v flock >/dev/null; then flock 9; fi
    quietly cmake -S . -B "$build" -DBSTDG_NATIVE_TESTS=ON -DBSTDG_SANITIZE=$check -DBSTDG_WERROR=ON
    quietly cmake --build "$build" --parallel "$jobs"
    cd "$build" && ctest --output-on-failure --parallel "$jobs"
  ) 9>"$build/lock"
done
