// While native code runs, other threads of Python may.
#pragma once

#include <nanobind/nanobind.h>
#include <unistd.h>

// Gives up the lock of the interpreter until the end of the scope. Unlike nanobind's own, it lets Python end
// meanwhile: until 3.14 a daemon thread that asks for the lock then is unwound to its start, by force, and
// C++ aborts the process where that passes through code that throws nothing.
class OthersMayRun {
 public:
  OthersMayRun() : state_(PyEval_SaveThread()) {}
  ~OthersMayRun() noexcept(false) { come_back(state_); }
  OthersMayRun(const OthersMayRun&) = delete;
  OthersMayRun& operator=(const OthersMayRun&) = delete;

 private:
  // A thread that Python wants no more waits here for the end of the process, as it would in Python 3.14.
  struct Stay {
    bool back = false;
    ~Stay() {
      while (!back) pause();
    }
  };

  // A function of its own, which may be unwound: its cleanup is where that stops.
  [[gnu::noinline]] static void come_back(PyThreadState* state) {
    Stay stay;
    PyEval_RestoreThread(state);
    stay.back = true;
  }

  PyThreadState* state_;
};
