#pragma once

// One client that waits for keys.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "forebay/clock.h"
#include "server/resp/commands/command.h"

namespace forebay::server {

// Why a client stops to wait without having got what it waited for.
enum class Unserved : std::uint8_t {
  kTimeout,
  kUnblocked,  // CLIENT UNBLOCK ... ERROR
  kGone,       // it is no longer connected; nothing is answered
};

// Everything but what is marked is fixed when it is made.
struct Waiter {
  // What came of trying a key.
  struct Tried {
    enum class Outcome : std::uint8_t {
      kNothing,  // there is nothing for anybody: who waits behind need not try
      kNotMine,  // there may be something for others, as the key has another type
      kServed,   // `reply` is the answer, which may be an error
    };
    Outcome outcome = Outcome::kNothing;
    ReplySlot::Fill reply = {};
    std::size_t bytes = 0;  // that the reply keeps in memory
  };
  // Tries again, on any thread that holds no lock of the layer. Takes locks of the memory tier, and must not look at
  // the client: its connection may close meanwhile. That a change is never missed needs that the key's shard of the
  // memory tier is locked in here, not just read.
  using Attempt = std::move_only_function<Tried(std::string_view key, Instant now)>;

  std::uint64_t client = 0;
  const Command* command = nullptr;
  std::vector<std::string> args;  // what the client has sent: whose doing a change is (CurrentClient)
  std::vector<std::string> keys;  // each once
  std::shared_ptr<ReplySlot> slot;
  Attempt attempt;
  // Wraps whatever is answered.
  std::move_only_function<ReplySlot::Fill(ReplySlot::Fill)> finish;

  // ---- Of Waiters, which guards it by its mutex.
  enum class State : std::uint8_t { kWaits, kIsTried, kEnded };
  State state = State::kWaits;
  std::optional<Unserved> ends;  // why it is to end once it has been tried
  std::uint64_t number = 0;      // rising in the order in which they came
};

}  // namespace forebay::server
