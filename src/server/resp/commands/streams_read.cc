// XREAD and XREADGROUP.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "base/database_key.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/blocking.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/streams.h"

namespace forebay::server {
namespace {

// From where on a stream is read.
struct From {
  enum class Kind : std::uint8_t {
    kId,
    kLast,  // `$`: what comes from now on
    kNew,   // `>`: what no consumer of the group has got
  } kind = Kind::kId;
  StreamId id;
};

struct Reading {
  bool by_group = false;
  std::string group;
  std::string consumer;
  bool acknowledged = false;        // NOACK
  std::size_t count = 0;            // 0: all
  std::optional<Duration> timeout;  // BLOCK; zero: for ever
  std::vector<std::string> keys;
  std::vector<From> from;  // for each key
};

class ReadParser {
 public:
  ReadParser(Context& context, bool by_group) : context_(context) { reading_.by_group = by_group; }

  // Nothing: an error has been answered.
  std::optional<Reading> parse() {
    for (at_ = 1; at_ < context_.args.size() && keys_at_ == 0; ++at_) {
      if (!parse_option()) return std::nullopt;
    }
    if (keys_at_ == 0) return fail(kSyntaxError), std::nullopt;
    if (reading_.by_group && !has_group_)
      return fail("ERR Missing GROUP option for XREADGROUP"), std::nullopt;
    return parse_streams() ? std::optional(std::move(reading_)) : std::nullopt;
  }

 private:
  bool fail(std::string_view error) {
    context_.reply.error(error);
    return false;
  }
  bool is(std::string_view word) const { return equals_ignoring_case(context_.args[at_], word); }
  std::size_t more() const { return context_.args.size() - at_ - 1; }

  bool parse_option() {
    if (is("count") && more() >= 1) return parse_count();
    if (is("block") && more() >= 1) return parse_block();
    if (is("streams") && more() >= 1) {
      keys_at_ = at_ + 1;
      return true;
    }
    if (is("group") && more() >= 2) {
      if (!reading_.by_group)
        return fail("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
      has_group_ = true;
      reading_.group = context_.args[at_ + 1];
      reading_.consumer = context_.args[at_ + 2];
      at_ += 2;
      return true;
    }
    if (!is("noack")) return fail(kSyntaxError);
    if (!reading_.by_group)
      return fail("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
    return reading_.acknowledged = true;
  }

  bool parse_count() {
    const auto count = parse_integer(context_.args[++at_]);
    if (!count) return fail(kNotAnInteger);
    reading_.count = static_cast<std::size_t>(std::max<std::int64_t>(*count, 0));
    return true;
  }

  bool parse_block() {
    const auto milliseconds = parse_integer(context_.args[++at_]);
    if (!milliseconds) return fail("ERR timeout is not an integer or out of range");
    if (*milliseconds < 0) return fail("ERR timeout is negative");
    // Beyond a hundred years nobody can tell it from for ever, and a Duration has an end.
    constexpr std::chrono::milliseconds kForEver = std::chrono::years(100);
    reading_.timeout = *milliseconds > kForEver.count() ? Duration::zero()
                                                        : Duration(std::chrono::milliseconds(*milliseconds));
    return true;
  }

  bool parse_streams() {
    const auto rest = context_.args.subspan(keys_at_);
    if (rest.size() % 2 != 0) {
      return fail(
          "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.");
    }
    const auto keys = rest.first(rest.size() / 2);
    reading_.keys.assign(keys.begin(), keys.end());
    return true;
  }

  Context& context_;
  Reading reading_;
  std::size_t at_ = 1;
  std::size_t keys_at_ = 0;
  bool has_group_ = false;
};

// Nothing: an error has been answered.
std::optional<From> parse_from(Context& context, std::string_view text, bool by_group) {
  From from;
  std::string_view error;
  if (text == "$") {
    from.kind = From::Kind::kLast;
    if (by_group) {
      error =
          "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this "
          "consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just "
          "return "
          "an empty result set.";
    }
  } else if (text == ">") {
    from.kind = From::Kind::kNew;
    if (!by_group) {
      error =
          "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> "
          "option.";
    }
  } else {
    const auto id = parse_stream_id(text);
    if (!id) error = kBadStreamId;
    if (id) from.id = *id;
    // In Redis `>` is this id.
    if (by_group && id == StreamId::most()) from.kind = From::Kind::kNew;
  }
  if (error.empty()) return from;
  context.reply.error(error);
  return std::nullopt;
}

// What was read of one key, as it is answered.
struct Part {
  std::string_view key;
  std::string encoded;
};

void answer(resp::Writer& reply, const std::vector<Part>& parts) {
  if (parts.empty()) return reply.null_array();
  const bool in_map = reply.protocol() == resp::Protocol::kResp3;
  if (in_map) {
    reply.map(parts.size());
  } else {
    reply.array(parts.size());
  }
  for (const Part& part : parts) {
    if (!in_map) reply.array(2);
    reply.bulk(without_database(part.key));
    reply.buffer().append(part.encoded);
  }
}

// ---- XREAD

// Nothing: there is nothing behind that id.
std::optional<std::string> read_stream(resp::Protocol protocol, const Stream& stream, const From& from,
                                       std::size_t count) {
  if (from.kind == From::Kind::kLast || stream.size() == 0 || stream.last() <= from.id) return std::nullopt;
  std::string encoded;
  resp::Writer writer(encoded, protocol);
  write_entries(writer, stream, from.id.next(), StreamId::most(), count);
  return encoded;
}

// ---- XREADGROUP

// Entries that nobody of the group has got yet.
void deliver(resp::Writer& writer, const Stream& stream, StreamReaders& readers, StreamConsumer& consumer,
             const Reading& reading, std::int64_t now_ms) {
  StreamGroup& group = readers.group();
  const std::uint32_t from = stream.rank(group.last.next());
  std::size_t left = stream.size() - from;
  if (reading.count != 0) left = std::min(left, reading.count);
  writer.array(left);
  std::vector<StreamId> ids;
  stream.visit(from, false, [&](const StreamEntry& entry) {
    write_entry(writer, entry);
    ids.push_back(entry.id());
    return ids.size() < left;
  });
  for (const StreamId& id : ids) {
    if (group.read != -1 && !may_have_gaps(stream, id)) {
      ++group.read;
    } else if (stream.head().added != 0) {
      group.read = entries_up_to(stream, id);
    }
    group.last = id;
    if (!reading.acknowledged) readers.deliver(id, {consumer.number, now_ms, 1});
  }
  consumer.active_ms = now_ms;
}

// Entries that the consumer has got and not acknowledged, once more.
void deliver_again(resp::Writer& writer, const Stream& stream, StreamReaders& readers,
                   const StreamConsumer& consumer, const StreamId& after, std::size_t count,
                   std::int64_t now_ms) {
  std::vector<StreamId> ids;
  if (after != StreamId::most()) {
    readers.visit_of(consumer, after.next(), [&](const StreamId& id) {
      ids.push_back(id);
      return ids.size() != count;
    });
  }
  writer.array(ids.size());
  std::vector<StreamId> shown;
  for (const StreamId& id : ids) {
    if (stream.show(id, [&](const StreamEntry& entry) { write_entry(writer, entry); })) {
      shown.push_back(id);
      continue;
    }
    writer.array(2);
    write_id(writer, id);
    writer.null_array();
  }
  for (const StreamId& id : shown) {
    const auto before = readers.pending(id);
    readers.deliver(id, {consumer.number, now_ms, before->count + 1});
  }
}

bool has_new(const Stream& stream, const StreamGroup& group) {
  return stream.size() != 0 && stream.last() > group.last;
}

// Whom something is read for, whether they have just asked or have waited.
struct Occurrence {
  resp::Protocol protocol;
  std::int64_t now_ms;  // by the wall clock
};

// Nothing: there is nothing new. Requires that there is such a group.
std::optional<std::string> read_group(const Occurrence& now, Collection& all, const Stream& stream,
                                      const StreamGroup& group, const Reading& reading, const From& from) {
  StreamReaders readers(all, group);
  StreamConsumer* consumer = readers.find(reading.consumer);
  if (consumer == nullptr) consumer = &readers.create(reading.consumer, now.now_ms);
  consumer->seen_ms = now.now_ms;
  std::optional<std::string> encoded;
  std::string text;
  resp::Writer writer(text, now.protocol);
  if (from.kind == From::Kind::kId) {
    deliver_again(writer, stream, readers, *consumer, from.id, reading.count, now.now_ms);
    encoded = std::move(text);
  } else if (has_new(stream, group)) {
    deliver(writer, stream, readers, *consumer, reading, now.now_ms);
    encoded = std::move(text);
  }
  readers.save();
  return encoded;
}

std::string no_group_to_read(std::string_view key, std::string_view group) {
  return no_such_group(key, group) + " in XREADGROUP with GROUP option";
}

// Whether the key has another type, or not the group that it should have. True: answered.
bool refuse(Context& context, const Reading& reading, std::string_view key) {
  bool has = false;
  const Seen seen = see_stream(context, key, [&](Collection& all, const Stream&) {
    has = !reading.by_group || StreamGroups(all).find(reading.group);
  });
  if (seen == Seen::kRefused) return true;
  if (has || !reading.by_group) return false;
  context.reply.error(no_group_to_read(key, reading.group));
  return true;
}

// How many records the reading of a key may add.
std::size_t records_for(Layer& layer, Instant now, const Reading& reading, std::string_view key) {
  std::size_t entries = 0;
  layer.peek(key, now, [&](const EntryView& entry) {
    if (!is_collection(entry, CollectionKind::kStream)) return;
    Collection all(entry.bytes());
    const Stream stream(all);
    const auto group = StreamGroups(all).find(reading.group);
    if (group && group->last != StreamId::most()) entries = stream.size() - stream.rank(group->last.next());
  });
  if (reading.count != 0) entries = std::min(entries, reading.count);
  return 2 * entries + kFewRecords.elements;
}

// What became of reading a key.
struct Read {
  Edited edited;
  bool has_group = false;
  std::optional<std::string> encoded;  // nothing: there is nothing to read
};

// `waits`: nothing is changed where there is nothing new, as each change of a key is looked at for those who wait.
Read read_by_group(Layer& layer, Instant now, resp::Protocol protocol, const Reading& reading,
                   std::string_view key, const From& from, bool waits) {
  Read read;
  const Growth growth{records_for(layer, now, reading, key), kFewRecords.bytes + reading.consumer.size()};
  const Occurrence occurrence{protocol, layer.clock().to_wall_ms(now)};
  read.edited = edit_collection(layer, now, key, CollectionKind::kStream, Missing::kStays, growth,
                                [&](Collection& all) {
                                  const Stream stream(all);
                                  const auto group = StreamGroups(all).find(reading.group);
                                  read.has_group = group.has_value();
                                  if (!group || (waits && !has_new(stream, *group))) return false;
                                  read.encoded = read_group(occurrence, all, stream, *group, reading, from);
                                  return all.edited();
                                });
  return read;
}

// Nothing: there is nothing to read. `failed`: an error has been answered.
std::optional<std::string> read_key(Context& context, const Reading& reading, std::size_t index,
                                    bool& failed) {
  const std::string& key = reading.keys[index];
  const From& from = reading.from[index];
  const resp::Protocol protocol = context.reply.protocol();
  if (!reading.by_group) {
    std::optional<std::string> encoded;
    const Seen seen = see_stream(context, key, [&](Collection&, const Stream& stream) {
      encoded = read_stream(protocol, stream, from, reading.count);
    });
    failed = seen == Seen::kRefused;
    return encoded;
  }
  Read read = read_by_group(context.layer, context.now, protocol, reading, key, from, false);
  if (read.edited.wrong_type) context.reply.error(kWrongType);
  failed = read.edited.wrong_type || !stored_or_error(context, read.edited.outcome);
  return std::move(read.encoded);
}

// Looks at one key after the other, as Redis does: the first mistake is the one that is answered. False: an error has
// been answered.
bool parse_places(Context& context, Reading& reading) {
  const auto texts = context.args.last(reading.keys.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (refuse(context, reading, reading.keys[i])) return false;
    const auto from = parse_from(context, texts[i], reading.by_group);
    if (!from) return false;
    reading.from.push_back(*from);
  }
  return true;
}

// ---- Waiting

Waiter::Tried served(std::string_view key, std::string encoded) {
  const std::size_t bytes = encoded.size();
  return {Waiter::Tried::Outcome::kServed,
          [key = std::string(key), encoded = std::move(encoded)](resp::Writer& reply) mutable {
            answer(reply, {{key, std::move(encoded)}});
          },
          bytes};
}

// Each who waits for a stream may wait for another id of it or in another group: what is nothing for one of them may be
// something for the next. What comes is entries, which look the same in both protocols.
Try read_later(Layer& layer, std::shared_ptr<const Reading> reading) {
  return [&layer, reading = std::move(reading)](std::string_view key, Instant now,
                                                Occasion occasion) -> Waiter::Tried {
    const auto answered = [&](std::optional<std::string>& encoded) {
      return encoded ? served(key, std::move(*encoded)) : Waiter::Tried{Waiter::Tried::Outcome::kNotMine};
    };
    const auto place = std::ranges::find(reading->keys, key) - reading->keys.begin();
    const From& from = reading->from[static_cast<std::size_t>(place)];
    if (layer.route(key).bound) return mistyped(occasion);
    if (reading->by_group) {
      Read read = read_by_group(layer, now, resp::Protocol::kResp2, *reading, key, from, true);
      // A group that is gone is told, whatever is there in its place.
      if (read.edited.wrong_type) return refused(kWrongType);
      if (read.edited.outcome == PutOutcome::kFull) return refused(kOutOfMemoryError);
      if (!read.has_group) return refused(no_group_to_read(key, reading->group));
      return answered(read.encoded);
    }
    // An edit that changes nothing: under the lock of the key's shard nothing is missed.
    std::optional<std::string> encoded;
    const Edited edited =
        edit_collection(layer, now, key, CollectionKind::kStream, Missing::kStays, {}, [&](Collection& all) {
          encoded = read_stream(resp::Protocol::kResp2, Stream(all), from, reading->count);
          return false;
        });
    if (edited.wrong_type) return mistyped(occasion);
    return answered(encoded);
  };
}

// `$` is what the stream ends with now.
void settle_ends(Context& context, Reading& reading) {
  for (std::size_t i = 0; i < reading.keys.size(); ++i) {
    From& from = reading.from[i];
    if (from.kind != From::Kind::kLast) continue;
    from = {};
    see_stream(context, reading.keys[i],
               [&](Collection&, const Stream& stream) { from.id = stream.head().last; });
  }
}

// False: an error has been answered.
bool read_now(Context& context, Reading& reading, std::span<const std::string_view> keys,
              std::vector<Part>& parts) {
  const auto guard = hold_keys(context, keys);
  if (!parse_places(context, reading)) return false;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    bool failed = false;
    auto encoded = read_key(context, reading, i, failed);
    if (failed) return false;
    if (encoded) parts.push_back({keys[i], std::move(*encoded)});
  }
  settle_ends(context, reading);
  return true;
}

void read(Context& context, bool by_group) {
  auto reading = ReadParser(context, by_group).parse();
  if (!reading) return;
  const auto shared = std::make_shared<Reading>(std::move(*reading));
  const std::vector<std::string_view> keys(shared->keys.begin(), shared->keys.end());
  if (refuse_other_than_plain(context, keys)) return;
  std::vector<Part> parts;
  if (!read_now(context, *shared, keys, parts)) return;
  if (!parts.empty() || !shared->timeout) return answer(context.reply, parts);
  try_or_wait(context, keys, *shared->timeout, read_later(context.layer, shared));
}

}  // namespace

void visit_read_keys(std::span<const std::string_view> args, FunctionRef<void(std::size_t at)> visit) {
  std::size_t at = 1;
  // As ReadParser reads them: a value may be called STREAMS, too.
  for (; at < args.size() && !equals_ignoring_case(args[at], "streams"); ++at) {
    if (equals_ignoring_case(args[at], "count") || equals_ignoring_case(args[at], "block")) ++at;
    if (equals_ignoring_case(args[at], "group")) at += 2;
  }
  if (at >= args.size()) return;
  const std::size_t keys = (args.size() - at - 1) / 2;
  for (std::size_t i = 1; i <= keys; ++i) visit(at + i);
}

void xread(Context& context) {
  read(context, false);
}
void xreadgroup(Context& context) {
  read(context, true);
}

}  // namespace forebay::server
