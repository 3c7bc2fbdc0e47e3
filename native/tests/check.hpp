// What the native tests share: counted checks, and draws from a few choices.
#pragma once

#include <cstddef>
#include <cstdio>
#include <initializer_list>
#include <random>

namespace {

int failed = 0;
int passed = 0;

inline void check(bool holds, const char* what) {
  ++(holds ? passed : failed);
  if (!holds) std::printf("failed: %s\n", what);
}

[[maybe_unused]] inline std::size_t pick(std::mt19937_64& random, std::initializer_list<std::size_t> from) {
  return from.begin()[std::uniform_int_distribution<std::size_t>(0, from.size() - 1)(random)];
}

}  // namespace
