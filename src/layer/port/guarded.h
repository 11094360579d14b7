#pragma once

// Calls into a source that somebody else wrote.

#include <exception>
#include <string>

#include "forebay/result.h"

namespace forebay::layer {

// What such a source throws becomes an Error: nothing above it expects exceptions.
template <class T, class Call>
Result<T> guarded(Call call) {
  try {
    return call();
  } catch (const std::exception& e) {
    return Error{ErrorCode::kInternal, std::string("the source threw: ") + e.what()};
  } catch (...) {
    return Error{ErrorCode::kInternal, "the source threw something that is no std::exception"};
  }
}

}  // namespace forebay::layer
