#pragma once

// How commands reach keys: the shared steps between a handler and the layer.
//
// Keys of a namespace with a source ("bound") differ from plain ones in two ways: a read that memory can't
// answer is deferred until the source has answered, and their values are changed by writing to the source
// only.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "forebay/function_ref.h"
#include "server/resp/commands/command.h"

namespace forebay::server {

// The running command's name, in lower case.
std::string_view command_name(const Context& context);

// An Error as a reply: the code as the reply's first word (docs/resp.md lists them), then its message.
std::string error_text(const Error& error);

inline constexpr std::string_view kWrongType =
    "WRONGTYPE Operation against a key holding the wrong kind of value";

// Whether the entry is a hash, a set, a sorted set or a list (collections.h), which the string commands don't work
// on.
inline bool is_collection(const EntryView& entry) {
  return entry.type() == EntryType::kCollection;
}

// Not of a collection.
inline std::string_view payload(const EntryView& entry) {
  return entry.shared() ? entry.shared()->view() : entry.bytes();
}

// True: EXEC runs this command, so its keys' shards are locked already, it can't defer, and no key of it is
// bound.
inline bool in_exec(const Context& context) {
  return !context.defer;
}

bool is_bound(Context& context, std::string_view key);

// Answers an error if one of the keys is bound. For commands that change values in memory only; true:
// answered.
bool refuse_bound(Context& context, std::string_view key);
bool refuse_bound(Context& context, std::span<const std::string_view> keys);

// Answers an error if the command has an op-id: it came to a plain key, whose writes are not remembered.
// True: answered.
bool refuse_op_id(Context& context);

// Holds the keys' shards, so that others see a command on several keys happen as a whole. Nothing where there
// is nothing to hold: one key, inside EXEC, or bound keys, whose loads take their own way.
std::optional<Layer::Guard> hold_keys(Context& context, std::span<const std::string_view> keys);

// Every `step`-th argument from `first` on.
std::vector<std::string_view> keys_from(const Context& context, std::size_t first, std::size_t step = 1);

// The longest value, in bytes, that a command may build.
std::size_t longest_string(const Context& context);

// For writes to a plain key: answers the error if the value was not stored. True: it was.
bool stored_or_error(Context& context, PutOutcome outcome);
// The text of that error; empty: it was stored.
std::string_view error_of(PutOutcome outcome);

// Layer::look_up(), or for a plain key and a client that said CLIENT NO-TOUCH the same without counting as a
// use.
LookUp find_entry(Context& context, std::string_view key, FunctionRef<void(const EntryView&)> visit);

// Writes the reply from a key's value (nothing: there is no such key) now or, where the source has to be
// asked, later.
using Render = std::move_only_function<void(resp::Writer&, std::optional<std::string_view>)>;
void load_value(Context& context, std::string_view key, Render render);

// A reply that has been worked out: what writes it, and how much of memory that keeps until then.
struct Prepared {
  ReplySlot::Fill write;
  std::size_t bytes = 0;
};
// Runs `work` on the server's slow lane, and answers with what it returns. `work` owns what it captures.
// Requires that the command may defer.
void answer_slowly(Context& context, std::move_only_function<Prepared()> work);

// As load_value(), from memory if that has the answer. `render` may outlive the call: it owns what it
// captures. It may run with the key's shard locked: it must not call the layer.
template <class R>
void with_value(Context& context, std::string_view key, R render) {
  std::optional<Value> shared;
  const LookUp found = find_entry(context, key, [&](const EntryView& entry) {
    if (entry.shared()) {
      shared = *entry.shared();  // large: rendered once the shard is free again
    } else if (is_collection(entry)) [[unlikely]] {
      context.reply.error(kWrongType);
    } else {
      render(context.reply, std::optional<std::string_view>(entry.bytes()));
    }
  });
  if (found == LookUp::kAnswered) {
    if (!shared) return;
    context.reply.lend(&*shared);
    render(context.reply, std::optional<std::string_view>(shared->view()));
    context.reply.lend(nullptr);
  } else if (found == LookUp::kAbsent) {
    render(context.reply, std::optional<std::string_view>());
  } else {
    load_value(context, key, Render(std::move(render)));
  }
}

// Loads keys that memory could not answer, together, and answers once all are there; if one fails, with its
// error. Very many are asked for in parts, the next one when the one before has arrived: the sources' queues
// are as long as they are whatever one command asks for. Values that come to more than the client's output
// may be end it.
using RenderAll = std::move_only_function<void(resp::Writer&, const std::vector<Answer>&)>;
void load_values(Context& context, std::span<const std::string_view> keys, RenderAll render);

// Writes to a bound key's source and answers when that is done.
using RenderWrite = std::move_only_function<void(resp::Writer&, const WriteAnswer&)>;
void write_source(Context& context, std::string_view key, Write write, RenderWrite render);
void write_source_value(Context& context, std::string_view key, std::string_view value, RenderWrite render);

}  // namespace forebay::server
