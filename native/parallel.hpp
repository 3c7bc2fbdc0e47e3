// Work split over threads in fixed pieces: who computes a piece varies, what it computes does not.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace bstdg {

// Calls work(begin, end) for all pieces of [0, count), each at most `piece` long, on up to `threads` threads
// of which the caller is one. The first exception is thrown again here, once every thread has stopped.
template <typename Work>
void for_pieces(std::size_t count, std::size_t piece, int threads, const Work& work) {
  const std::size_t pieces = (count + piece - 1) / piece;
  if (threads <= 1 || pieces <= 1) {
    if (count > 0) work(std::size_t{0}, count);
    return;
  }
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex guard;
  const auto take_pieces = [&] {
    try {
      for (std::size_t i = next++; i < pieces; i = next++) {
        const std::size_t begin = i * piece;
        work(begin, begin + piece < count ? begin + piece : count);
      }
    } catch (...) {
      const std::lock_guard<std::mutex> lock(guard);
      if (!failure) failure = std::current_exception();
      next = pieces;
    }
  };
  std::vector<std::thread> helpers;
  const std::size_t wanted =
      static_cast<std::size_t>(threads) < pieces ? static_cast<std::size_t>(threads) : pieces;
  for (std::size_t i = 1; i < wanted; ++i) {
    try {
      helpers.emplace_back(take_pieces);
    } catch (const std::system_error&) {
      break;  // the system gives no more threads: those that are there do the work
    }
  }
  take_pieces();
  for (std::thread& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace bstdg
