#pragma once

// What the commands on collections of plain keys share: hashes, sets, sorted sets and lists that live in the
// memory tier (memory/collection/).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/glob.h"
#include "memory/collection/collection.h"
#include "server/resp/commands/access.h"

namespace forebay::server {

using memory::Collection;
using memory::CollectionKind;
using memory::Item;
using memory::ItemDigits;

inline bool is_collection(const EntryView& entry, CollectionKind kind) {
  return is_collection(entry) && Collection::kind_of(entry.bytes()) == kind;
}

// kRefused: the key has another type, which has been answered.
enum class Seen : std::uint8_t { kNothing, kShown, kRefused };
// Shows the collection of a plain key, with its shard held or as a copy.
Seen see_collection(Context& context, std::string_view key, CollectionKind kind,
                    FunctionRef<void(Collection&)> show);

// Writes the reply from a key's collection; null: there is no such key.
using RenderCollection = std::move_only_function<void(resp::Writer&, Collection*)>;
// Answers from the collection of a key that has a source, once it is loaded.
void load_collection(Context& context, std::string_view key, RenderCollection render);
// The same for any key, from memory if that has the answer. `render` may outlive the call: it owns what it
// captures. It may run with the key's shard locked: it must not call the layer.
template <class R>
void with_collection(Context& context, std::string_view key, CollectionKind kind, R render) {
  bool refused = false;
  const LookUp found = find_entry(context, key, [&](const EntryView& entry) {
    refused = !is_collection(entry, kind);
    if (refused) return;
    Collection all(entry.bytes());
    render(context.reply, &all);
  });
  if (refused) return context.reply.error(kWrongType);
  if (found == LookUp::kAbsent) return render(context.reply, nullptr);
  if (found == LookUp::kLoad) load_collection(context, key, RenderCollection(std::move(render)));
}

// Collects nothing where there is no such key. False: an error has been answered. For commands on several keys,
// which hold them (hold_keys()).
bool collect(Context& context, std::string_view key, CollectionKind kind,
             FunctionRef<void(Collection&)> show);

// What an edit may add.
struct Growth {
  std::size_t elements = 0;
  std::size_t bytes = 0;
};
enum class Missing : std::uint8_t { kStays, kIsMade };
// Edits the collection of a plain key. `edit` says whether it has changed it. It is not called where there is no
// such key and Missing::kStays. False: an error has been answered.
bool edit_collection(Context& context, std::string_view key, CollectionKind kind, Missing missing,
                     Growth growth, FunctionRef<bool(Collection&)> edit);
// The same without a client. `wrong_type`: the key has another type, and nothing was edited.
struct Edited {
  PutOutcome outcome = PutOutcome::kStored;
  bool wrong_type = false;
};
Edited edit_collection(Layer& layer, Instant now, std::string_view key, CollectionKind kind, Missing missing,
                       Growth growth, FunctionRef<bool(Collection&)> edit);
// Puts a new collection in the place of whatever the key has; an empty one deletes the key. False: an error has
// been answered.
bool store_collection(Context& context, std::string_view key, CollectionKind kind, Growth growth,
                      FunctionRef<void(Collection&)> fill);
PutOutcome store_collection(Layer& layer, Instant now, std::string_view key, CollectionKind kind,
                            Growth growth, FunctionRef<void(Collection&)> fill);

// Puts a copy of a collection in the place of whatever the key has. Called while `from` is shown and with the shards
// of both keys held. False: an error has been answered.
bool copy_collection(Context& context, Collection& from, std::string_view key, const Stamp& stamp);

// Answers WRONGTYPE if a key is bound: none of these is a collection of this kind. True: answered.
bool refuse_other_than_plain(Context& context, std::string_view key);
bool refuse_other_than_plain(Context& context, std::span<const std::string_view> keys);

// The keys of a command that says their number first, at args[at]. Nothing: an error has been answered.
// `too_many`: what is answered where there are fewer.
std::optional<std::vector<std::string_view>> numbered_keys(Context& context, std::size_t at,
                                                           std::string_view too_many);
// ZMPOP's and LMPOP's [COUNT count] from args[at] on. Nothing: an error has been answered.
std::optional<std::int64_t> parse_pop_count(Context& context, std::size_t at);

// The bytes of all arguments from this one on.
std::size_t bytes_of_arguments(const Context& context, std::size_t first);

// HSCAN's, SSCAN's and ZSCAN's arguments. Nothing: an error has been answered.
struct CollectionScan {
  std::uint64_t cursor = 0;
  std::size_t count = 10;
  std::optional<Glob> match;
};
std::optional<CollectionScan> parse_collection_scan(Context& context);
// Their reply: [cursor, [element, …]].
void write_scan(resp::Writer& reply, std::uint64_t next, const std::vector<std::string>& elements);

// A position as Redis counts it, from the end where it is negative, within [0, size].
std::int64_t clamp_index(std::int64_t index, std::int64_t size);

void write_item(resp::Writer& reply, Item item);
std::string text_of(Item item);

// How many the command wants (HRANDFIELD, SRANDMEMBER, ZRANDMEMBER): as many different ones or, negative, with
// repetitions. Shows positions of a collection of this size.
inline constexpr std::int64_t kMostDrawn = 10'000'000;  // with repetitions
void draw(std::int64_t count, std::uint32_t size, FunctionRef<void(std::uint32_t position)> show);
std::uint32_t draw_one(std::uint32_t size);

}  // namespace forebay::server
