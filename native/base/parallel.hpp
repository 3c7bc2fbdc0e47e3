// Work split over threads in fixed pieces: who computes a piece varies, what it computes does not.
#pragma once

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace bstdg {

// The helpers of one calling thread. They are kept from one job to the next, for starting one takes as long
// as many a job, and they look out for the next before they sleep, for as long as Python takes between two
// jobs of a training step. A job that ends before they awake ends without them.
class Team {
 public:
  static Team& mine() {
    static thread_local Owned owned;
    // A child process has a copy of this object and none of the threads: it is left behind for a new one.
    if (owned.team == nullptr || owned.process != getpid()) {
      static_cast<void>(owned.team.release());
      owned.team.reset(new Team);
      owned.process = getpid();
    }
    return *owned.team;
  }

  // Calls work() once on this thread and on up to `helpers` others, and returns when all have returned.
  template <typename Work>
  void run(std::size_t helpers, const Work& work) {
    hire(helpers);
    call_ = [](const void* what) { (*static_cast<const Work*>(what))(); };
    work_ = &work;
    most_ = static_cast<std::uint32_t>(helpers);
    joined_ = 0;  // open: who joins from here on sees what was written above
    ++job_;
    {
      const std::lock_guard<std::mutex> lock(guard_);
      if (asleep_ > 0) awake_.notify_all();
    }
    work();
    joined_ |= kClosed;
    for (int i = 0; joined_ != kClosed; ++i) pause(i);
  }

  ~Team() {
    {
      const std::lock_guard<std::mutex> lock(guard_);
      stop_ = true;
      ++job_;
    }
    awake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  struct Owned {
    std::unique_ptr<Team> team;
    pid_t process = 0;
    ~Owned() {
      if (process != getpid()) static_cast<void>(team.release());
    }
  };

  static constexpr std::uint32_t kClosed = std::uint32_t{1} << 31;
  static constexpr int kLookOut = 2000;   // some 50 us
  static constexpr int kPatience = 2600;  // some 300 us more, in which others may have the processor

  static void pause(int round) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
    if (round >= kLookOut) std::this_thread::yield();
  }

  void hire(std::size_t helpers) {
    while (threads_.size() < helpers) {
      try {
        threads_.emplace_back([this, seen = job_.load()] { help(seen); });
      } catch (const std::system_error&) {
        return;  // the system gives no more threads: those that are there do the work
      }
    }
  }

  void help(std::uint64_t seen) {
    for (;;) {
      for (int i = 0; i < kPatience && job_ == seen; ++i) pause(i);
      if (job_ == seen) {
        std::unique_lock<std::mutex> lock(guard_);
        ++asleep_;
        awake_.wait(lock, [&] { return job_ != seen; });
        --asleep_;
      }
      seen = job_;
      if (stop_) return;
      std::uint32_t joined = joined_;
      while ((joined & kClosed) == 0 && joined < most_) {
        if (joined_.compare_exchange_weak(joined, joined + 1)) {
          call_(work_);
          --joined_;
          break;
        }
      }
    }
  }

  std::vector<std::thread> threads_;
  std::atomic<std::uint64_t> job_{0};           // counts them
  std::atomic<std::uint32_t> joined_{kClosed};  // helpers at work, and whether others may still join
  std::atomic<std::uint32_t> most_{0};
  std::atomic<bool> stop_{false};
  void (*call_)(const void*) = nullptr;
  const void* work_ = nullptr;
  std::mutex guard_;
  std::condition_variable awake_;
  int asleep_ = 0;
};

// Calls work(begin, end) for all pieces of [0, count), each at most `piece` long, on up to `threads` threads
// of which the caller is one. The first exception is thrown again here, once every thread has stopped. Not to
// be called from within `work`.
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
  const auto wanted = static_cast<std::size_t>(threads);
  Team::mine().run((wanted < pieces ? wanted : pieces) - 1, take_pieces);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace bstdg
