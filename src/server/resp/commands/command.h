#pragma once

// The seam between the connection and the commands. A command is a function and a row in its family's table
// (commands/<family>.cc); registry.cc joins the families. To add one: write the function, add the row.
//
// A handler runs on the connection's event-loop thread, must not block, and answers in one of two ways: it
// writes exactly one reply (kPushes: at least one) to context.reply before it returns, or it calls context.defer() and has the
// returned slot completed later, from any thread. Replies reach the client in the order of the requests
// either way. Commands flagged kConcurrent (reads) may start while earlier deferred ones of the same
// connection are still open; all others wait for those, and all wait for a deferred command without that
// flag, unless it said that it is in effect (session.h).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "forebay/function_ref.h"
#include "forebay/layer.h"
#include "resp/writer.h"

namespace forebay::server {

class Session;  // what one client has said of itself: session.h
class Server;   // what all connections share (limits, clients, start time): server.h

// A reply that is still to come. complete() may be called from any thread, once; `write` then runs on the
// connection's loop thread, unless the client has gone. `bytes`: what `write` keeps in memory until it has
// run, as values do; it counts as the client's unsent output. A slot destroyed without complete() answers
// with an error.
class ReplySlot {
 public:
  using Fill = std::move_only_function<void(resp::Writer&)>;
  virtual ~ReplySlot() = default;
  virtual void complete(Fill write, std::size_t bytes = 0) = 0;
  // Whether somebody still waits for it. On the connection's loop thread only.
  virtual bool wanted() const { return true; }
};

struct Context {
  std::span<const std::string_view> args;  // args[0] is the command's name as sent; views end with the call
  Layer& layer;
  Server& server;
  Session& session;
  resp::Writer& reply;
  Instant now;  // read once per batch of requests
  // Valid unless the command runs inside EXEC (commands flagged kDenyMulti and bound keys are refused there).
  std::function<std::shared_ptr<ReplySlot>()> defer;
  std::string_view op_id = {};  // FOREBAY ONCE: names the one write that the command makes; empty: none
};

enum CommandFlag : std::uint32_t {
  kWrite = 1u << 0,
  kReadonly = 1u << 1,
  kFast = 1u << 2,
  kAdmin = 1u << 3,
  kNoAuth = 1u << 4,      // allowed before AUTH
  kConcurrent = 1u << 5,  // see above
  kDenyMulti = 1u << 6,   // not allowed in a transaction
  kDenyOom = 1u << 7,     // may grow memory
  kOnce = 1u << 8,        // FOREBAY ONCE may run it: it makes one write of one key, and heeds Context::op_id
  kSteady = 1u << 9,  // takes only as long as its request and its reply are large, though Redis's flags don't
                      // say kFast
  kPushes = 1u << 10,           // answers with pushes: one or several, which CLIENT REPLY does not mute
  kWhileSubscribed = 1u << 11,  // a RESP2 client that is subscribed may send it, as it may those that push
  kBlocking = 1u << 12,         // its client may have to wait for other clients
  kOtherKeys = 1u << 13,        // uses keys that its arguments do not name
};

using Handler = void (*)(Context&);
// Calls `visit` with the places of keys among the arguments, which may be anything and too few.
using MoreKeys = void (*)(std::span<const std::string_view> args, FunctionRef<void(std::size_t at)> visit);

struct Subcommand;  // subcommand.h

struct Command {
  std::string_view name;  // lower case; `config|get` style subcommands are parsed by their handler
  int arity;              // as Redis counts it: includes the name; -n means at least n
  std::uint32_t flags;
  int first_key, last_key, key_step;  // as Redis has them; 0 0 0: no keys
  Handler handler;
  std::string_view summary;  // COMMAND DOCS
  std::string_view since;    // the Redis version it comes from
  std::string_view group;    // string, generic, connection, server, transactions, hash, pubsub, forebay
  // Keys beside first_key to last_key: as many as the argument at this place says follow it (0: none), and those
  // that only a look at the request tells (null: none).
  std::size_t keys_counted_at = 0;
  MoreKeys more_keys = nullptr;
  // Of a container such as CONFIG, what run_subcommand() finds there: access rules name them (null: it is none).
  std::span<const Subcommand> (*subcommands)() = nullptr;

  bool has_keys() const { return first_key > 0 || keys_counted_at > 0 || more_keys != nullptr; }
};

// All commands of a family; each commands/<family>.cc defines one of these and registry.cc lists it.
using Family = std::span<const Command>;

// Finds a command by name in any case; null if there is none. O(1), no allocation.
const Command* find_command(std::string_view name);
std::span<const Command* const> all_commands();

}  // namespace forebay::server
