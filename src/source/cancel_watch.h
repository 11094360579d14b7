#pragma once

// A cancellation as something that poll() waits for.

#include <unistd.h>

#include <cstdint>

#include "forebay/dataset.h"

namespace forebay::source {

// Makes an eventfd readable when the call is cancelled, for as long as this lives.
class CancelWatch {
 public:
  CancelWatch(CancelToken* token, int fd) : token_(token) {
    if (token_ == nullptr) return;
    std::uint64_t earlier = 0;
    static_cast<void>(read(fd, &earlier, sizeof(earlier)));  // a wake-up that came too late for the last call
    token_->on_cancel([fd] {
      const std::uint64_t one = 1;
      static_cast<void>(write(fd, &one, sizeof(one)));
    });
  }
  ~CancelWatch() {
    if (token_ != nullptr) token_->on_cancel({});
  }
  CancelWatch(const CancelWatch&) = delete;
  CancelWatch& operator=(const CancelWatch&) = delete;

 private:
  CancelToken* token_;
};

}  // namespace forebay::source
