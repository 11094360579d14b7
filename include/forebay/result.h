#pragma once

// How everything in Forebay that can fail says so.
//
// A lookup that finds nothing, a stale answer and a negative answer are answers, not errors: an Error means
// that nobody knows. Set-up that can fail is a static open() that returns Result<std::unique_ptr<T>>.

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace forebay {

// What a caller may do about an error. Small and closed on purpose: new causes go into the message.
enum class ErrorCode {
  kInvalidArgument,  // the call is wrong (bad key, bad value, wrong type): repair the call
  kConfig,           // the configuration is wrong: repair it, nothing was started
  kUnsupported,      // this namespace or source can't do that: use another operation
  kRefused,          // the source understood and refused (constraint, type, permission): repair the data
  kConflict,         // a condition did not hold (version, transaction): read again, decide again
  kUnavailable,      // the source can't be reached or its breaker is open: serve stale, try later
  kTimeout,          // no answer in time; for a read: serve stale, try later
  kOverloaded,       // a bounded queue is full: back off
  kUnknownOutcome,   // a write may or may not have happened: read before repeating it
  kOutOfMemory,      // the memory tier is full and its policy forbids eviction
  kCancelled,        // shutting down, or nobody waits for the answer any more
  kInternal,         // our own mistake: report it
};

// The code's stable lower-case name, for logs and metrics ("unavailable").
std::string_view to_string(ErrorCode code);

// How far an error of a source reaches.
enum class ErrorScope : unsigned char {
  kSource,  // other calls to the source may well meet it, too
  kCall,    // only this call: a lock that somebody holds, a conflict with another writer, a busy connection
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  // What was wrong and where, in words for an operator; may name sources and keys, never values.
  std::string message;
  // kUnavailable, kTimeout and kInternal of scope kSource count for the source's circuit breaker.
  ErrorScope scope = ErrorScope::kSource;
};

// A value or an Error. Dropping one unread is a compiler warning, and so an error here.
template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
  Result(Error error)  // NOLINT: an Error returned from a function that yields a Result is the point
      : std::expected<T, Error>(std::unexpect, std::move(error)) {}
  Result(ErrorCode code, std::string message)
      : std::expected<T, Error>(std::unexpect, Error{code, std::move(message)}) {}
};

}  // namespace forebay
