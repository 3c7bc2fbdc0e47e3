#!/bin/sh
# Builds the native tests in a folder of their own, with every warning an error and the sanitizers on, and runs them.
# Usage: native/tests/run.sh        CXX=clang++ native/tests/run.sh
set -eu
native=$(cd "$(dirname "$0")/.." && pwd)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

# float-cast-overflow is not part of "undefined", and casting a time is what this code must get right.
${CXX:-c++} -std=c++17 -O1 -g -ffp-contract=off -Wall -Wextra -Werror -Wconversion -Wsign-conversion \
  -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all \
  -I "$native" "$native/events.cpp" "$native/tests/test_events.cpp" -o "$build/test_events"
"$build/test_events"
