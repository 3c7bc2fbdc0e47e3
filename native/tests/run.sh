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
  objects=""
  compile() { # compile SANITIZERS NAME ISA FLAGS
    for source in kernels training_kernels loss_kernels; do
      $cxx $1 $4 -DBSTDG_ISA=$3 -c "$native/$source.cpp" -o "$build/$2-$3-$source.o"
      objects="$objects $build/$2-$3-$source.o"
    done
  }
  compile "$1" "$2" generic ""
  has=""
  case $(uname -m) in x86_64 | amd64)
    has=-DBSTDG_HAS_X86_KERNELS
    avx2="-mavx2 -mbmi -mbmi2 -mpopcnt"
    compile "$1" "$2" avx2 "$avx2"
    compile "$1" "$2" avx512 "$avx2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vbmi -mavx512vbmi2"
    ;;
  esac
}

# float-cast-overflow is not part of "undefined", and casting a time is what the encoder must get right.
memory="-fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all"
$cxx $memory "$native/events.cpp" "$native/tests/test_events.cpp" -o "$build/test_events"
"$build/test_events"
$cxx $memory "$native/temporal.cpp" "$native/tests/test_temporal.cpp" -o "$build/test_temporal"
"$build/test_temporal"
for kind in memory races; do
  if [ $kind = races ]; then sanitize="-fsanitize=thread"; else sanitize="$memory"; fi
  kernels "$sanitize" $kind
  for test in inference training loss; do
    $cxx $sanitize $has "$native"/dispatch.cpp "$native"/inference.cpp "$native"/training.cpp "$native"/loss.cpp \
      "$native/tests/test_$test.cpp" $objects -pthread -o "$build/test_$test"
    if [ $kind = races ]; then "$build/test_$test" 6; else "$build/test_$test"; fi
  done
done
