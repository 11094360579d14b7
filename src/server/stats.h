#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace forebay::server {

// Raised by one thread, read by any: a plain add for the writer, no locked instruction. Relaxed: it publishes
// nothing.
class Tally {
 public:
  void add(std::uint64_t amount = 1) {
    count_.store(count_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  std::uint64_t get() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> count_{0};
};

// What one event loop counts, since start.
struct alignas(64) LoopTallies {
  static constexpr std::size_t kMaxCommands = 512;

  Tally commands;  // executed or refused by name or arity
  Tally errors;    // of those, refused by the connection (unknown, arity, not permitted) or protocol errors
  Tally error_replies;  // sent, whoever refused
  Tally bytes_in, bytes_out;
  Tally connections;    // accepted and served
  Tally rejected;       // accepted and turned away (too many clients, protected mode)
  Tally closed_output;  // closed because their replies were not read
  Tally closed_query;   // closed because of the query buffer limit
  Tally closed_idle;    // closed by a timeout
  Tally closed_login;   // closed because they had not logged in, by a timeout or to make room
  Tally closed_memory;  // closed because all clients together held more than max_client_memory
  // By the command's index in the registry.
  std::array<Tally, kMaxCommands> calls;           // executed
  std::array<Tally, kMaxCommands> failed_calls;    // of those, answered with an error
  std::array<Tally, kMaxCommands> rejected_calls;  // refused before they were executed
  // Of the executed ones those whose time was taken, and that time: all that may take long, and some of the others.
  std::array<Tally, kMaxCommands> timed_calls;
  std::array<Tally, kMaxCommands> nanoseconds;
};

// The loops' tallies added up.
struct ServerStats {
  std::uint64_t commands = 0, errors = 0, error_replies = 0, bytes_in = 0, bytes_out = 0, connections = 0,
                rejected = 0;
  std::uint64_t closed_output = 0, closed_query = 0, closed_idle = 0, closed_login = 0, closed_memory = 0;
  // By the command's index in the registry, as LoopTallies has them.
  std::vector<std::uint64_t> calls, failed_calls, rejected_calls, timed_calls, nanoseconds;
  std::size_t clients = 0;         // now
  std::size_t client_memory = 0;   // bytes, now
  double commands_per_second = 0;  // over about the last second and a half
};

}  // namespace forebay::server
