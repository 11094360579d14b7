// What consumers have got and not acknowledged: XPENDING, XCLAIM, XAUTOCLAIM.

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/streams.h"

namespace forebay::server {
namespace {

void answer_no_group(Context& context) {
  context.reply.error(no_such_group(context.args[1], context.args[2]));
}

// ---- XPENDING

struct PendingRange {
  std::int64_t idle_ms = 0;
  StreamId first;
  StreamId last;
  std::size_t count = 0;
  std::optional<std::string_view> consumer;
};

// From args[3] on. Nothing: an error has been answered.
std::optional<PendingRange> parse_pending(Context& context) {
  const auto args = context.args;
  PendingRange range;
  std::size_t at = 3;
  if (equals_ignoring_case(args[3], "idle")) {
    const auto idle = parse_integer(args[4]);
    if (!idle || args.size() < 8) {
      context.reply.error(idle ? kSyntaxError : kNotAnInteger);
      return std::nullopt;
    }
    range.idle_ms = *idle;
    at = 5;
  }
  const auto count = parse_integer(args[at + 2]);
  if (!count) {
    context.reply.error(kNotAnInteger);
    return std::nullopt;
  }
  range.count = static_cast<std::size_t>(std::max<std::int64_t>(*count, 0));
  const auto first = parse_range_start(context, args[at]);
  if (!first) return std::nullopt;
  const auto last = parse_range_end(context, args[at + 1]);
  if (!last) return std::nullopt;
  range.first = *first;
  range.last = *last;
  if (at + 3 < args.size()) range.consumer = args[at + 3];
  return range;
}

void write_summary(resp::Writer& reply, StreamReaders& readers) {
  reply.array(4);
  reply.integer(readers.group().pending);
  if (readers.group().pending == 0) {
    reply.null();
    reply.null();
    return reply.null_array();
  }
  readers.visit({}, [&](const StreamId& id, const memory::Delivery&) {
    write_id(reply, id);
    return false;
  });
  write_id(reply, readers.last_pending());
  std::vector<StreamConsumer> busy;
  readers.visit_consumers([&](const StreamConsumer& consumer) {
    if (consumer.pending != 0) busy.push_back(consumer);
  });
  reply.array(busy.size());
  for (const StreamConsumer& consumer : busy) {
    reply.array(2);
    reply.bulk(consumer.name);
    reply.bulk(std::to_string(consumer.pending));
  }
}

struct Waiting {
  StreamId id;
  memory::Delivery delivery;
};

void write_pending(resp::Writer& reply, StreamReaders& readers, const PendingRange& range,
                   std::int64_t now_ms) {
  std::vector<Waiting> waiting;
  const auto take = [&](const StreamId& id, const memory::Delivery& delivery) {
    if (id > range.last || waiting.size() == range.count) return false;
    if (range.idle_ms == 0 || now_ms - delivery.at_ms >= range.idle_ms) waiting.push_back({id, delivery});
    return true;
  };
  if (!range.consumer) {
    readers.visit(range.first, take);
  } else if (const StreamConsumer* consumer = readers.find(*range.consumer)) {
    readers.visit_of(*consumer, range.first,
                     [&](const StreamId& id) { return take(id, *readers.pending(id)); });
  }
  reply.array(waiting.size());
  for (const Waiting& one : waiting) {
    reply.array(4);
    write_id(reply, one.id);
    reply.bulk(readers.by_number(one.delivery.consumer).name);
    reply.integer(std::max<std::int64_t>(now_ms - one.delivery.at_ms, 0));
    reply.integer(static_cast<std::int64_t>(one.delivery.count));
  }
}

// ---- XCLAIM

struct Claim {
  std::int64_t idle_ms = 0;
  std::vector<StreamId> ids;
  std::optional<std::int64_t> at_ms;
  std::optional<std::int64_t> count;
  bool force = false;
  bool ids_only = false;
  StreamId last;
};

class ClaimParser {
 public:
  explicit ClaimParser(Context& context) : context_(context) {}

  // Nothing: an error has been answered.
  std::optional<Claim> parse() {
    const auto idle = parse_integer(context_.args[4]);
    if (!idle) return fail("ERR Invalid min-idle-time argument for XCLAIM"), std::nullopt;
    claim_.idle_ms = std::max<std::int64_t>(*idle, 0);
    at_ = 5;
    for (; at_ < context_.args.size(); ++at_) {
      const auto id = parse_stream_id(context_.args[at_]);
      if (!id) break;
      claim_.ids.push_back(*id);
    }
    for (; at_ < context_.args.size(); ++at_) {
      if (!parse_option()) return std::nullopt;
    }
    return std::move(claim_);
  }

 private:
  bool fail(std::string_view error) {
    context_.reply.error(error);
    return false;
  }
  bool is(std::string_view word) const { return equals_ignoring_case(context_.args[at_], word); }

  bool parse_number(std::string_view name, std::optional<std::int64_t>& number) {
    number = parse_integer(context_.args[++at_]);
    return number || fail(fmt::format("ERR Invalid {} option argument for XCLAIM", name));
  }

  bool parse_option() {
    if (is("force")) return claim_.force = true;
    if (is("justid")) return claim_.ids_only = true;
    const bool more = at_ + 1 < context_.args.size();
    if (more && is("idle")) {
      if (!parse_number("IDLE", claim_.at_ms)) return false;
      claim_.at_ms = wall_ms(context_) - *claim_.at_ms;
      return true;
    }
    if (more && is("time")) return parse_number("TIME", claim_.at_ms);
    if (more && is("retrycount")) return parse_number("RETRYCOUNT", claim_.count);
    if (more && is("lastid")) {
      const auto id = stream_id_or_error(context_, context_.args[++at_]);
      if (id) claim_.last = *id;
      return id.has_value();
    }
    return fail(fmt::format("ERR Unrecognized XCLAIM option '{}'", context_.args[at_]));
  }

  Context& context_;
  Claim claim_;
  std::size_t at_ = 0;
};

// What was claimed, as it is answered.
class Claimed {
 public:
  Claimed(const Context& context, bool ids_only)
      : writer_(encoded_, context.reply.protocol()), ids_only_(ids_only) {}

  void add(const Stream& stream, const StreamId& id) {
    ++count_;
    if (ids_only_) return write_id(writer_, id);
    stream.show(id, [&](const StreamEntry& entry) { write_entry(writer_, entry); });
  }
  void write(resp::Writer& reply) const {
    reply.array(count_);
    reply.buffer().append(encoded_);
  }

 private:
  std::string encoded_;
  resp::Writer writer_;
  bool ids_only_;
  std::size_t count_ = 0;
};

// The consumer that claims, who is made where there is none.
StreamConsumer& claimant(Context& context, StreamReaders& readers) {
  const std::int64_t now_ms = wall_ms(context);
  StreamConsumer* consumer = readers.find(context.args[3]);
  if (consumer == nullptr) consumer = &readers.create(context.args[3], now_ms);
  consumer->seen_ms = now_ms;
  return *consumer;
}

void claim_one(const Context& context, const Stream& stream, StreamReaders& readers, StreamConsumer& consumer,
               const Claim& claim, const StreamId& id, Claimed& claimed) {
  const std::int64_t now_ms = wall_ms(context);
  const auto before = readers.pending(id);
  if (!stream.has(id)) {
    readers.acknowledge(id);  // nobody can have it any more
    return;
  }
  if (!before && !claim.force) return;
  if (before && claim.idle_ms != 0 && now_ms - before->at_ms < claim.idle_ms) return;
  memory::Delivery delivery{consumer.number, claim.at_ms.value_or(now_ms), before ? before->count : 1};
  // A time that can't be is taken for now: clients reckon with their own clocks.
  if (delivery.at_ms < 0 || delivery.at_ms > now_ms) delivery.at_ms = now_ms;
  if (claim.count && *claim.count >= 0) {
    delivery.count = static_cast<std::uint64_t>(*claim.count);
  } else if (!claim.ids_only) {
    ++delivery.count;
  }
  readers.deliver(id, delivery);
  consumer.active_ms = now_ms;
  claimed.add(stream, id);
}

// ---- XAUTOCLAIM

struct AutoClaim {
  std::int64_t idle_ms = 0;
  StreamId first;
  std::int64_t count = 100;
  bool ids_only = false;
};

// Nothing: an error has been answered.
std::optional<AutoClaim> parse_auto_claim(Context& context) {
  AutoClaim claim;
  const auto refuse = [&](std::string_view error) {
    context.reply.error(error);
    return std::nullopt;
  };
  const auto idle = parse_integer(context.args[4]);
  if (!idle) return refuse("ERR Invalid min-idle-time argument for XAUTOCLAIM");
  claim.idle_ms = std::max<std::int64_t>(*idle, 0);
  const auto first = parse_range_start(context, context.args[5]);
  if (!first) return std::nullopt;
  claim.first = *first;
  for (std::size_t at = 6; at < context.args.size(); ++at) {
    if (equals_ignoring_case(context.args[at], "count") && at + 1 < context.args.size()) {
      constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 16;
      const auto count = parse_integer(context.args[++at]);
      if (!count || *count < 1 || *count > kMost) return refuse("ERR COUNT must be > 0");
      claim.count = *count;
    } else if (equals_ignoring_case(context.args[at], "justid")) {
      claim.ids_only = true;
    } else {
      return refuse(kSyntaxError);
    }
  }
  return claim;
}

// What a walk over what is pending met.
struct Walk {
  std::vector<Waiting> waiting;
  std::vector<StreamId> deleted;
  StreamId next;  // where the next walk begins; 0-0: this one has come to the end
};

Walk walk(const Stream& stream, const StreamReaders& readers, const AutoClaim& claim, std::int64_t now_ms) {
  constexpr std::int64_t kLooksPerEntry = 10;  // as Redis has it
  Walk walk;
  std::int64_t looks = claim.count * kLooksPerEntry;
  std::int64_t left = claim.count;
  readers.visit(claim.first, [&](const StreamId& id, const memory::Delivery& delivery) {
    if (looks == 0 || left == 0) {
      walk.next = id;
      return false;
    }
    --looks;
    if (!stream.has(id)) {
      walk.deleted.push_back(id);
      --left;
    } else if (claim.idle_ms == 0 || now_ms - delivery.at_ms >= claim.idle_ms) {
      walk.waiting.push_back({id, delivery});
      --left;
    }
    return true;
  });
  return walk;
}

// Edits the group that the arguments name. False: an error has been answered, also where there is no such group.
bool edit_readers(Context& context, std::size_t elements,
                  FunctionRef<void(const Stream&, StreamReaders&)> change) {
  if (refuse_other_than_plain(context, context.args[1])) return false;
  bool found = false;
  const Growth growth{kFewRecords.elements + 2 * elements, kFewRecords.bytes + context.args[3].size()};
  const bool done = edit_stream(context, context.args[1], Missing::kStays, growth,
                                [&](Collection& all, const Stream& stream) {
                                  auto group = StreamGroups(all).find(context.args[2]);
                                  if (!group) return;
                                  found = true;
                                  StreamReaders readers(all, std::move(*group));
                                  change(stream, readers);
                                  readers.save();
                                });
  if (done && !found) answer_no_group(context);
  return done && found;
}

// Answers an error if there is no such group, which comes before others. True: answered.
bool refuse_without_group(Context& context) {
  if (refuse_other_than_plain(context, context.args[1])) return true;
  bool found = false;
  const Seen seen = see_stream(context, context.args[1], [&](Collection& all, const Stream&) {
    found = StreamGroups(all).find(context.args[2]).has_value();
  });
  if (seen != Seen::kRefused && !found) answer_no_group(context);
  return !found;
}

}  // namespace

void xpending(Context& context) {
  const std::size_t count = context.args.size();
  if (count != 3 && (count < 6 || count > 9)) return context.reply.error(kSyntaxError);
  std::optional<PendingRange> range;
  if (count != 3) {
    range = parse_pending(context);
    if (!range) return;
  }
  if (refuse_other_than_plain(context, context.args[1])) return;
  bool found = false;
  const Seen seen = see_stream(context, context.args[1], [&](Collection& all, const Stream&) {
    auto group = StreamGroups(all).find(context.args[2]);
    if (!group) return;
    found = true;
    StreamReaders readers(all, std::move(*group));
    if (range) {
      write_pending(context.reply, readers, *range, wall_ms(context));
    } else {
      write_summary(context.reply, readers);
    }
  });
  if (seen != Seen::kRefused && !found) answer_no_group(context);
}

void xclaim(Context& context) {
  if (refuse_without_group(context)) return;
  const auto claim = ClaimParser(context).parse();
  if (!claim) return;
  Claimed claimed(context, claim->ids_only);
  const bool done =
      edit_readers(context, claim->ids.size(), [&](const Stream& stream, StreamReaders& readers) {
        if (claim->last > readers.group().last) readers.group().last = claim->last;
        StreamConsumer& consumer = claimant(context, readers);
        for (const StreamId& id : claim->ids)
          claim_one(context, stream, readers, consumer, *claim, id, claimed);
      });
  if (done) claimed.write(context.reply);
}

void xautoclaim(Context& context) {
  const auto claim = parse_auto_claim(context);
  if (!claim) return;
  Claimed claimed(context, claim->ids_only);
  Walk met;
  const bool done = edit_readers(context, 0, [&](const Stream& stream, StreamReaders& readers) {
    const std::int64_t now_ms = wall_ms(context);
    StreamConsumer& consumer = claimant(context, readers);
    met = walk(stream, readers, *claim, now_ms);
    for (const StreamId& id : met.deleted) readers.acknowledge(id);
    for (const auto& [id, before] : met.waiting) {
      readers.deliver(id, {consumer.number, now_ms, before.count + (claim->ids_only ? 0 : 1)});
      consumer.active_ms = now_ms;
      claimed.add(stream, id);
    }
  });
  if (!done) return;
  context.reply.array(3);
  write_id(context.reply, met.next);
  claimed.write(context.reply);
  context.reply.array(met.deleted.size());
  for (const StreamId& id : met.deleted) write_id(context.reply, id);
}

}  // namespace forebay::server
