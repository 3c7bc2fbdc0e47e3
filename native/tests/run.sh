#!/bin/sh
# Builds the native tests in a folder of their own, with every warning an error and the sanitizers on, and runs them:
# addresses and undefined behaviour for all, data races for what runs on several threads.
# Usage: native/tests/run.sh        CXX=clang++ native/tests/run.sh
set -eu
native=$(cd "$(dirname "$0")/.." && pwd)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
cxx="${CXX:-c++} -std=c++17 -O1 -g -ffp-contract=off -Wall -Wextra -Werror -Wconversion -Wsign-conversion -I $native"

# Kernels for each instruction set, as CMakeLists.txt builds them. GCC 12 warns of its own AVX-512 headers, which leave
# registers undefined on purpose.
kernels() { # kernels SANITIZERS NAME
  $cxx --version | grep -q clang || set -- "$1 -Wno-maybe-uninitialized" "$2"
  $cxx $1 -DBSTDG_ISA=generic -c "$native/kernels.cpp" -o "$build/$2-generic.o"
  objects="$build/$2-generic.o"
  has=""
  case $(uname -m) in x86_64 | amd64)
    has=-DBSTDG_HAS_X86_KERNELS
    avx2="-mavx2 -mbmi -mbmi2 -mpopcnt"
    $cxx $1 $avx2 -DBSTDG_ISA=avx2 -c "$native/kernels.cpp" -o "$build/$2-avx2.o"
    $cxx $1 $avx2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vbmi -mavx512vbmi2 -DBSTDG_ISA=avx512 \
      -c "$native/kernels.cpp" -o "$build/$2-avx512.o"
    objects="$objects $build/$2-avx2.o $build/$2-avx512.o"
    ;;
  esac
}

# float-cast-overflow is not part of "undefined", and casting a time is what the encoder must get right.
memory="-fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all"
$cxx $memory "$native/events.cpp" "$native/tests/test_events.cpp" -o "$build/test_events"
"$build/test_events"
for kind in memory races; do
  if [ $kind = races ]; then sanitize="-fsanitize=thread"; else sanitize="$memory"; fi
  kernels "$sanitize" $kind
  for test in inference training; do
    $cxx $sanitize $has "$native"/dispatch.cpp "$native"/inference.cpp "$native"/training.cpp \
      "$native/tests/test_$test.cpp" $objects -pthread -o "$build/test_$test"
    if [ $kind = races ]; then "$build/test_$test" 6; else "$build/test_$test"; fi
  done
done
