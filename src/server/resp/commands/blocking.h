#pragma once

// What the commands share that wait until there is something (server/waiting/).

#include <optional>
#include <span>
#include <string_view>

#include "server/resp/commands/command.h"
#include "server/waiting/waiter.h"

namespace forebay::server {

// How long to wait, from seconds as Redis reads them; zero: for ever. Nothing: an error has been answered.
std::optional<Duration> parse_timeout(Context& context, std::string_view seconds);

// What a command tries: first for its client, then perhaps for who waits.
enum class Occasion : std::uint8_t {
  kFirst,   // it is the client's turn; an error is an answer
  kBehind,  // others wait for the key already: only an error is an answer
  kWoken,   // it has waited: what is of another type is nothing for it
};
// As Waiter::Attempt.
using Try = std::move_only_function<Waiter::Tried(std::string_view key, Instant now, Occasion occasion)>;

// Tries the keys one after the other, and answers with what the first one has. If there is nothing, waits: until
// `attempt` finds something, or at most for so long, and then answers a null array. Inside EXEC or a script it
// does not wait, and `nothing` is answered. `attempt` owns what it captures.
void try_or_wait(
    Context& context, std::span<const std::string_view> keys, Duration timeout, Try attempt,
    void (*nothing)(resp::Writer&) = [](resp::Writer& reply) { reply.null_array(); });

// What trying has found out.
Waiter::Tried refused(std::string_view error);
// The key has another type.
Waiter::Tried mistyped(Occasion occasion);

}  // namespace forebay::server
