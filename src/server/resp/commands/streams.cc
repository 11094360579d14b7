// Streams: what all of their commands share, and those that have to do with the entries themselves.

#include "server/resp/commands/streams.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/database_key.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/subcommand.h"

namespace forebay::server {
namespace {

std::optional<std::uint64_t> parse_part(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// One end of a range. Nothing: an error has been answered.
struct RangeEnd {
  StreamId id;
  bool exclusive = false;
};
std::optional<RangeEnd> parse_range_id(Context& context, std::string_view text, std::uint64_t sequence) {
  RangeEnd end;
  end.exclusive = text.size() > 1 && text[0] == '(';
  if (end.exclusive) text.remove_prefix(1);
  if (!end.exclusive && (text == "-" || text == "+")) {
    if (text == "+") end.id = StreamId::most();
    return end;
  }
  const auto id = parse_stream_id(text, sequence);
  if (!id) {
    context.reply.error(kBadStreamId);
    return std::nullopt;
  }
  end.id = *id;
  return end;
}

}  // namespace

std::optional<StreamId> parse_stream_id(std::string_view text, std::uint64_t sequence) {
  const std::size_t dash = text.find('-');
  const auto ms = parse_part(text.substr(0, dash));
  if (!ms) return std::nullopt;
  if (dash == std::string_view::npos) return StreamId{*ms, sequence};
  const auto part = parse_part(text.substr(dash + 1));
  return part ? std::optional(StreamId{*ms, *part}) : std::nullopt;
}

std::optional<StreamId> stream_id_or_error(Context& context, std::string_view text) {
  const auto id = parse_stream_id(text);
  if (!id) context.reply.error(kBadStreamId);
  return id;
}

std::optional<StreamId> parse_range_start(Context& context, std::string_view text) {
  const auto end = parse_range_id(context, text, 0);
  if (!end || !end->exclusive) return end ? std::optional(end->id) : std::nullopt;
  if (end->id != StreamId::most()) return end->id.next();
  context.reply.error("ERR invalid start ID for the interval");
  return std::nullopt;
}

std::optional<StreamId> parse_range_end(Context& context, std::string_view text) {
  const auto end = parse_range_id(context, text, StreamId::most().sequence);
  if (!end || !end->exclusive) return end ? std::optional(end->id) : std::nullopt;
  if (end->id != StreamId()) return end->id.previous();
  context.reply.error("ERR invalid end ID for the interval");
  return std::nullopt;
}

std::string text_of(const StreamId& id) {
  return fmt::format("{}-{}", id.ms, id.sequence);
}

void write_id(resp::Writer& reply, const StreamId& id) {
  reply.bulk(text_of(id));
}

void write_entry(resp::Writer& reply, const StreamEntry& entry) {
  reply.array(2);
  write_id(reply, entry.id());
  reply.array(2 * std::size_t{entry.fields()});
  entry.visit([&](Item field, Item value) {
    write_item(reply, field);
    write_item(reply, value);
  });
}

void write_entries(resp::Writer& reply, const Stream& stream, const StreamId& first, const StreamId& last,
                   std::size_t count, bool backwards) {
  const std::uint32_t from = stream.rank(first);
  const std::uint32_t end = last == StreamId::most() ? stream.size() : stream.rank(last.next());
  std::size_t left = end > from ? end - from : 0;
  if (count != 0) left = std::min(left, count);
  reply.array(left);
  if (left == 0) return;
  stream.visit(backwards ? end - 1 : from, backwards, [&](const StreamEntry& entry) {
    write_entry(reply, entry);
    return --left != 0;
  });
}

std::int64_t wall_ms(const Context& context) {
  return context.layer.clock().to_wall_ms(context.now);
}

Seen see_stream(Context& context, std::string_view key, FunctionRef<void(Collection&, const Stream&)> show) {
  return see_collection(context, key, CollectionKind::kStream,
                        [&](Collection& all) { show(all, Stream(all)); });
}

bool edit_stream(Context& context, std::string_view key, Missing missing, Growth growth,
                 FunctionRef<void(Collection&, Stream&)> change) {
  return edit_collection(context, key, CollectionKind::kStream, missing, growth, [&](Collection& all) {
    Stream stream(all);
    change(all, stream);
    return all.edited();
  });
}

std::int64_t entries_up_to(const Stream& stream, const StreamId& id) {
  const Stream::Head& head = stream.head();
  const auto added = static_cast<std::int64_t>(head.added);
  if (added == 0) return 0;
  if (stream.size() == 0 && id <= head.last) return added;
  if (id == head.last) return added;
  if (id > head.last) return -1;
  const StreamId first = stream.first();
  if (head.last_deleted == StreamId() || head.last_deleted < first) {
    if (id < first) return added - stream.size();
    if (id == first) return added - stream.size() + 1;
  }
  return -1;
}

bool may_have_gaps(const Stream& stream, const StreamId& after) {
  const StreamId& deleted = stream.head().last_deleted;
  return stream.size() != 0 && deleted != StreamId() && deleted >= stream.first() && after <= deleted;
}

std::string no_such_group(std::string_view key, std::string_view group) {
  return fmt::format("NOGROUP No such key '{}' or consumer group '{}'", without_database(key), group);
}

namespace {

constexpr std::uint32_t kRead = kReadonly | kConcurrent;

// ---- What XADD and XTRIM drop

struct Trim {
  enum class By : std::uint8_t { kNothing, kLength, kId } by = By::kNothing;
  bool roughly = false;
  std::uint64_t length = 0;
  StreamId id;
  std::uint32_t most = 0;  // that are dropped; 0: no matter how many
};

// Redis drops whole nodes where that is enough, which have a hundred entries each.
constexpr std::uint32_t kRough = 100;
constexpr std::uint32_t kMostRoughly = 100 * kRough;

std::uint32_t trim(Stream& stream, const Trim& trim) {
  std::uint32_t count = 0;
  const std::uint32_t size = stream.size();
  if (trim.by == Trim::By::kLength)
    count = size > trim.length ? size - static_cast<std::uint32_t>(trim.length) : 0;
  if (trim.by == Trim::By::kId) count = stream.rank(trim.id);
  if (trim.roughly) {
    if (count != size) count -= count % kRough;
    if (trim.most != 0 && count > trim.most) count = trim.most - trim.most % kRough;
  }
  stream.drop(count);
  return count;
}

// The id that was asked for: all of it, its milliseconds, or nothing of it.
struct WantedId {
  StreamId id;
  bool any = false;
  bool any_sequence = false;
};

// Nothing: an error has been answered.
std::optional<WantedId> parse_wanted_id(Context& context, std::string_view text) {
  WantedId wanted;
  wanted.any = text == "*";
  if (wanted.any) return wanted;
  wanted.any_sequence = text.ends_with("-*");
  if (wanted.any_sequence) text.remove_suffix(2);
  const auto id =
      wanted.any_sequence && text.find('-') != std::string_view::npos ? std::nullopt : parse_stream_id(text);
  if (!id) {
    context.reply.error(kBadStreamId);
    return std::nullopt;
  }
  wanted.id = *id;
  return wanted;
}

// The options of XADD and its id, or those of XTRIM.
class TrimParser {
 public:
  TrimParser(Context& context, bool adds) : context_(context), adds_(adds) {}

  // False: an error has been answered.
  bool parse() {
    for (; at_ < context_.args.size(); ++at_) {
      if (parse_option()) continue;
      if (failed_) return false;
      if (!adds_) return fail(kSyntaxError);
      wanted_ = parse_wanted_id(context_, context_.args[at_]);
      if (!wanted_) return false;
      break;
    }
    if (limit_ && trim_.by == Trim::By::kNothing && *limit_ != 0)
      return fail("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
    if (!adds_ && trim_.by == Trim::By::kNothing)
      return fail("ERR syntax error, XTRIM must be called with a trimming strategy");
    if (limit_ && !trim_.roughly)
      return fail("ERR syntax error, LIMIT cannot be used without the special ~ option");
    if (trim_.roughly)
      trim_.most = static_cast<std::uint32_t>(std::min<std::int64_t>(limit_.value_or(kMostRoughly), ~0u));
    return true;
  }

  const Trim& trim() const { return trim_; }
  // Nothing: there is none.
  const std::optional<WantedId>& wanted() const { return wanted_; }
  std::size_t at() const { return at_; }  // of the id
  bool makes_none() const { return makes_none_; }

 private:
  bool fail(std::string_view error) {
    context_.reply.error(error);
    failed_ = true;
    return false;
  }
  bool is(std::string_view word) const { return equals_ignoring_case(context_.args[at_], word); }
  std::size_t more() const { return context_.args.size() - at_ - 1; }

  bool parse_option() {
    if (adds_ && is("nomkstream")) return makes_none_ = true;
    if (more() == 0) return false;
    if (is("limit")) return parse_limit();
    const bool by_length = is("maxlen");
    if (!by_length && !is("minid")) return false;
    if (trim_.by != Trim::By::kNothing)
      return fail("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
    const std::string_view how = context_.args[at_ + 1];
    trim_.roughly = more() >= 2 && how == "~";
    if (trim_.roughly || (more() >= 2 && how == "=")) ++at_;
    const std::string_view text = context_.args[++at_];
    trim_.by = by_length ? Trim::By::kLength : Trim::By::kId;
    return by_length ? parse_length(text) : parse_id(text);
  }

  bool parse_length(std::string_view text) {
    const auto length = parse_integer(text);
    if (!length) return fail(kNotAnInteger);
    if (*length < 0) return fail("ERR The MAXLEN argument must be >= 0.");
    trim_.length = static_cast<std::uint64_t>(*length);
    return true;
  }
  bool parse_id(std::string_view text) {
    const auto id = parse_stream_id(text);
    if (!id) return fail(kBadStreamId);
    trim_.id = *id;
    return true;
  }
  bool parse_limit() {
    limit_ = parse_integer(context_.args[++at_]);
    if (!limit_) return fail(kNotAnInteger);
    return *limit_ >= 0 || fail("ERR The LIMIT argument must be >= 0.");
  }

  Context& context_;
  bool adds_;
  std::size_t at_ = 2;
  Trim trim_;
  std::optional<WantedId> wanted_;
  std::optional<std::int64_t> limit_;
  bool makes_none_ = false;
  bool failed_ = false;
};

// ---- XADD

constexpr std::string_view kNotAbove =
    "ERR The ID specified in XADD is equal or smaller than the target stream top item";

// Nothing: there is no such id above the last one.
std::optional<StreamId> choose_id(const WantedId& wanted, const StreamId& last, std::int64_t now_ms) {
  StreamId id = wanted.id;
  if (wanted.any) {
    const auto now = static_cast<std::uint64_t>(now_ms);
    return now > last.ms ? StreamId{now, 0} : last.next();
  }
  if (wanted.any_sequence && id.ms == last.ms) {
    if (last.sequence == StreamId::most().sequence) return std::nullopt;
    id.sequence = last.sequence + 1;
  }
  return id > last ? std::optional(id) : std::nullopt;
}

void xadd(Context& context) {
  TrimParser options(context, true);
  if (!options.parse()) return;
  const auto& wanted = options.wanted();
  const auto texts = context.args.last(wanted ? context.args.size() - options.at() - 1 : 0);
  if (texts.size() < 2 || texts.size() % 2 != 0)
    return context.reply.error("ERR wrong number of arguments for 'xadd' command");
  if (!wanted->any && !wanted->any_sequence && wanted->id == StreamId())
    return context.reply.error("ERR The ID specified in XADD must be greater than 0-0");
  if (refuse_other_than_plain(context, context.args[1])) return;
  bool there = false;
  std::string_view error;
  std::optional<StreamId> id;
  const Growth growth{texts.size() + kFewRecords.elements,
                      bytes_of_arguments(context, 2) + kFewRecords.bytes};
  const Missing missing = options.makes_none() ? Missing::kStays : Missing::kIsMade;
  const bool done = edit_stream(context, context.args[1], missing, growth, [&](Collection&, Stream& stream) {
    there = true;
    const StreamId last = stream.head().last;
    if (last == StreamId::most()) {
      error = "ERR The stream has exhausted the last possible ID, unable to add more items";
      return;
    }
    id = choose_id(*wanted, last, wall_ms(context));
    if (!id) {
      error = kNotAbove;
      return;
    }
    stream.append(*id, texts);
    trim(stream, options.trim());
  });
  if (!done) return;
  if (!error.empty()) return context.reply.error(error);
  if (!there) return context.reply.null();
  write_id(context.reply, *id);
}

void xtrim(Context& context) {
  TrimParser options(context, false);
  if (!options.parse() || refuse_other_than_plain(context, context.args[1])) return;
  std::int64_t dropped = 0;
  const bool done = edit_stream(context, context.args[1], Missing::kStays, {},
                                [&](Collection&, Stream& stream) { dropped = trim(stream, options.trim()); });
  if (done) context.reply.integer(dropped);
}

// ---- The rest

void xlen(Context& context) {
  if (refuse_other_than_plain(context, context.args[1])) return;
  std::int64_t size = 0;
  const Seen seen =
      see_stream(context, context.args[1], [&](Collection&, const Stream& stream) { size = stream.size(); });
  if (seen != Seen::kRefused) context.reply.integer(size);
}

void range(Context& context, bool backwards) {
  const auto first = parse_range_start(context, context.args[backwards ? 3 : 2]);
  if (!first) return;
  const auto last = parse_range_end(context, context.args[backwards ? 2 : 3]);
  if (!last) return;
  std::optional<std::int64_t> count;
  for (std::size_t at = 4; at < context.args.size(); at += 2) {
    if (!equals_ignoring_case(context.args[at], "count") || at + 1 == context.args.size())
      return context.reply.error(kSyntaxError);
    count = parse_integer(context.args[at + 1]);
    if (!count) return context.reply.error(kNotAnInteger);
  }
  if (refuse_other_than_plain(context, context.args[1])) return;
  const Seen seen = see_stream(context, context.args[1], [&](Collection&, const Stream& stream) {
    if (count && *count <= 0) return context.reply.null_array();
    write_entries(context.reply, stream, *first, *last, static_cast<std::size_t>(count.value_or(0)),
                  backwards);
  });
  if (seen == Seen::kNothing) context.reply.array(0);
}

void xrange(Context& context) {
  range(context, false);
}
void xrevrange(Context& context) {
  range(context, true);
}

void xdel(Context& context) {
  if (refuse_other_than_plain(context, context.args[1])) return;
  std::int64_t erased = 0;
  bool invalid = false;
  const bool done =
      edit_stream(context, context.args[1], Missing::kStays, {}, [&](Collection&, Stream& stream) {
        std::vector<StreamId> ids;
        for (const std::string_view text : context.args.subspan(2)) {
          const auto id = parse_stream_id(text);
          invalid = invalid || !id;
          if (id) ids.push_back(*id);
        }
        if (invalid) return;
        for (const StreamId& id : ids) erased += stream.erase(id) ? 1 : 0;
      });
  if (!done) return;
  if (invalid) return context.reply.error(kBadStreamId);
  context.reply.integer(erased);
}

// What XSETID says of a stream.
struct Said {
  StreamId last;
  std::optional<std::int64_t> added;
  StreamId deleted;
};

// Nothing: an error has been answered.
std::optional<Said> parse_said(Context& context) {
  Said said;
  const auto refuse = [&](std::string_view error) {
    context.reply.error(error);
    return std::nullopt;
  };
  const auto last = stream_id_or_error(context, context.args[2]);
  if (!last) return std::nullopt;
  said.last = *last;
  for (std::size_t at = 3; at < context.args.size(); at += 2) {
    const std::string_view word = context.args[at];
    if (at + 1 == context.args.size()) return refuse(kSyntaxError);
    if (equals_ignoring_case(word, "entriesadded")) {
      said.added = parse_integer(context.args[at + 1]);
      if (!said.added) return refuse(kNotAnInteger);
      if (*said.added < 0) return refuse("ERR entries_added must be positive");
    } else if (equals_ignoring_case(word, "maxdeletedid")) {
      const auto deleted = stream_id_or_error(context, context.args[at + 1]);
      if (!deleted) return std::nullopt;
      if (said.last < *deleted)
        return refuse("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
      said.deleted = *deleted;
    } else {
      return refuse(kSyntaxError);
    }
  }
  return said;
}

std::string_view contradiction(const Said& said, const Stream& stream) {
  if (said.last < stream.head().last_deleted)
    return "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id";
  if (stream.size() == 0) return {};
  if (said.last < stream.last())
    return "ERR The ID specified in XSETID is smaller than the target stream top item";
  if (said.added && *said.added < stream.size())
    return "ERR The entries_added specified in XSETID is smaller than the target stream length";
  return {};
}

void xsetid(Context& context) {
  const auto said = parse_said(context);
  if (!said || refuse_other_than_plain(context, context.args[1])) return;
  bool there = false;
  std::string_view error;
  const bool done =
      edit_stream(context, context.args[1], Missing::kStays, kFewRecords, [&](Collection&, Stream& stream) {
        there = true;
        error = contradiction(*said, stream);
        if (!error.empty()) return;
        Stream::Head head = stream.head();
        head.last = said->last;
        if (said->added) head.added = static_cast<std::uint64_t>(*said->added);
        if (said->deleted != StreamId()) head.last_deleted = said->deleted;
        stream.set_head(head);
      });
  if (!done) return;
  if (!there) return context.reply.error(kNoSuchKey);
  if (!error.empty()) return context.reply.error(error);
  context.reply.ok();
}

constexpr Command kCommands[] = {
    {"xadd", -5, kWrite | kDenyOom | kFast, 1, 1, 1, xadd,
     "Appends a new message to a stream. Creates the key if it doesn't exist.", "5.0.0", "stream"},
    {"xlen", 2, kRead | kFast, 1, 1, 1, xlen, "Return the number of messages in a stream.", "5.0.0",
     "stream"},
    {"xrange", -4, kRead, 1, 1, 1, xrange, "Returns the messages from a stream within a range of IDs.",
     "5.0.0", "stream"},
    {"xrevrange", -4, kRead, 1, 1, 1, xrevrange,
     "Returns the messages from a stream within a range of IDs in reverse order.", "5.0.0", "stream"},
    {"xdel", -3, kWrite | kFast, 1, 1, 1, xdel,
     "Returns the number of messages after removing them from a stream.", "5.0.0", "stream"},
    {"xtrim", -4, kWrite, 1, 1, 1, xtrim, "Deletes messages from the beginning of a stream.", "5.0.0",
     "stream"},
    {"xsetid", -3, kWrite | kDenyOom | kFast, 1, 1, 1, xsetid,
     "An internal command for replicating stream values.", "5.0.0", "stream"},
    {"xread", -4, kReadonly | kBlocking, 0, 0, 0, xread,
     "Returns messages from multiple streams with IDs greater than the ones requested.", "5.0.0", "stream", 0,
     visit_read_keys},
    {"xreadgroup", -7, kWrite | kBlocking, 0, 0, 0, xreadgroup,
     "Returns new or historical messages from a stream for a consumer in a group.", "5.0.0", "stream", 0,
     visit_read_keys},
    {"xgroup", -2, kWrite | kDenyOom, 2, 2, 1, xgroup, "A container for consumer groups commands.", "5.0.0",
     "stream", 0, nullptr, xgroup_subcommands},
    {"xinfo", -2, kReadonly, 2, 2, 1, xinfo, "A container for stream introspection commands.", "5.0.0",
     "stream", 0, nullptr, xinfo_subcommands},
    {"xack", -4, kWrite | kFast, 1, 1, 1, xack,
     "Returns the number of messages that were successfully acknowledged by the consumer group member of a "
     "stream.",
     "5.0.0", "stream"},
    {"xpending", -3, kRead, 1, 1, 1, xpending,
     "Returns the information and entries from a stream consumer group's pending entries list.", "5.0.0",
     "stream"},
    {"xclaim", -6, kWrite | kFast, 1, 1, 1, xclaim,
     "Changes, or acquires, ownership of a message in a consumer group, as if the message was delivered a "
     "consumer group member.",
     "5.0.0", "stream"},
    {"xautoclaim", -6, kWrite | kFast, 1, 1, 1, xautoclaim,
     "Changes, or acquires, ownership of messages in a consumer group, as if the messages were delivered to "
     "a "
     "consumer group member.",
     "6.2.0", "stream"},
};

}  // namespace

Family stream_commands() {
  return kCommands;
}

}  // namespace forebay::server
