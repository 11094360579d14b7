#pragma once

// What MULTI has queued and what WATCH observes, for one client.
//
// The Session owns one (Session::transaction()). The connection calls queue_if_open() for each command that
// it has looked up, before its handler, and reports commands that it refuses itself (unknown, wrong arity,
// not permitted) with Transaction::poison(); everything else is done by the handlers of MULTI, EXEC, DISCARD,
// WATCH and UNWATCH.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/hash.h"
#include "server/resp/commands/command.h"

namespace forebay::server {

// Not thread-safe: used on its connection's loop thread only.
class Transaction {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{128} << 20;  // of the arguments of all queued commands

  static constexpr std::size_t kMaxWatched = 4096;  // keys

  struct Queued {
    const Command* command;
    std::vector<std::string> args;
  };
  struct Watched {
    std::string key;
    std::uint64_t revision;  // the entry's when WATCH saw it; 0: there was none
  };

  bool open() const { return open_; }  // between MULTI and EXEC or DISCARD
  bool poisoned() const { return poisoned_; }
  // `database`: the client's; `swaps`: Databases::swaps().
  void begin(unsigned database, std::uint64_t swaps) {
    open_ = true;
    database_ = database;
    remember(swaps);
  }
  // That of the commands queued next.
  unsigned database() const { return database_; }
  void select(unsigned database) { database_ = database; }
  // Whether databases have been swapped since names of keys were first worked out.
  bool swapped(std::uint64_t swaps) const { return swaps_ && *swaps_ != swaps; }
  // A command was refused instead of queued: EXEC will answer EXECABORT. No effect outside of MULTI.
  void poison() { poisoned_ = open_; }
  // False: the transaction would grow beyond kMaxBytes; nothing was queued.
  bool queue(const Command& command, std::span<const std::string_view> args);
  // A key watched already keeps its revision. False: kMaxWatched are watched.
  bool watch(std::string_view key, std::uint64_t revision, std::uint64_t swaps);
  void unwatch() {
    if (!open_) swaps_.reset();
    watched_.clear();
    watched_keys_.clear();
    watched_bytes_ = 0;
  }
  // Back to the state of a new client (EXEC, DISCARD, RESET).
  void reset() { *this = Transaction(); }

  // Of all that it keeps.
  std::size_t memory() const { return bytes_ + watched_bytes_; }
  const std::vector<Queued>& queued() const { return queued_; }
  const std::vector<Watched>& watched() const { return watched_; }

 private:
  void remember(std::uint64_t swaps) {
    if (!swaps_) swaps_ = swaps;
  }

  bool open_ = false;
  bool poisoned_ = false;
  unsigned database_ = 0;
  std::optional<std::uint64_t> swaps_;
  std::size_t bytes_ = 0;
  std::size_t watched_bytes_ = 0;
  std::vector<Queued> queued_;
  std::vector<Watched> watched_;
  std::unordered_set<std::string, StringHash, std::equal_to<>> watched_keys_;
};

// Commands without keys come in three kinds: those that walk or clear the table, which need all of it held;
// those that only talk about the connection, or to other connections; and the rest (INFO, CONFIG, …), which take locks of their own
// that somebody else may hold while waiting for a shard, and so must run with none held.
enum class Reach : std::uint8_t { kKeys, kTable, kConnection, kElsewhere };
Reach reach_of(const Command& command);

// The text that keeps a bound key out of a transaction or a script; empty: none of the keys is bound, nor, where
// they are those of a command on sorted sets, has any a table of its members.
std::string refusal_of_bound(Context& context, std::span<const std::string_view> keys,
                             const Command* command = nullptr);

// Queues the command if the client is in a transaction and the command can be part of one. True: it has been
// answered (QUEUED, or an error) and its handler must not run. EXEC, DISCARD, MULTI, WATCH, QUIT and RESET
// always run.
bool queue_if_open(Context& context, const Command& command);

}  // namespace forebay::server
