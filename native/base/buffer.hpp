// Memory that the widest vectors can load from.
#pragma once

#include <cstddef>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

namespace bstdg {

constexpr std::size_t kAlignment = 64;  // the widest vector

inline std::size_t rounded_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// A fixed number of plain values, zero at first.
template <typename T>
class Buffer {
 public:
  explicit Buffer(std::size_t count = 0) : Buffer(unset(count)) {
    if (data_ != nullptr) std::memset(static_cast<void*>(data_), 0, bytes(count));
  }
  // Whatever they are at first: for those that are written before they are read.
  static Buffer unset(std::size_t count) {
    return Buffer(count == 0 ? nullptr
                             : static_cast<T*>(::operator new(bytes(count), std::align_val_t{kAlignment})));
  }
  Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  ~Buffer() { ::operator delete(data_, std::align_val_t{kAlignment}); }
  T* get() const { return data_; }
  T& operator[](std::size_t i) const { return data_[i]; }

 private:
  explicit Buffer(T* data) : data_(data) {}
  static std::size_t bytes(std::size_t count) {
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T) / 2) throw std::bad_alloc();
    return count * sizeof(T);
  }
  T* data_;
};

}  // namespace bstdg
