#include "server/resp/commands/collections.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <unordered_set>

#include "base/random.h"
#include "memory/collection/own_collection.h"
#include "memory/tier.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"

namespace forebay::server {

Seen see_collection(Context& context, std::string_view key, CollectionKind kind,
                    FunctionRef<void(Collection&)> show) {
  Seen seen = Seen::kNothing;
  find_entry(context, key, [&](const EntryView& entry) {
    if (!is_collection(entry, kind)) {
      seen = Seen::kRefused;
      return;
    }
    seen = Seen::kShown;
    Collection all(entry.bytes());
    show(all);
  });
  if (seen == Seen::kRefused) context.reply.error(kWrongType);
  return seen;
}

void load_collection(Context& context, std::string_view key, RenderCollection render) {
  context.layer.load(
      key, [slot = context.defer(), render = std::move(render)](Result<Answer> answer) mutable {
        const std::size_t bytes = answer && answer->value ? answer->value->charge() : 0;
        slot->complete(
            [answer = std::move(answer), render = std::move(render)](resp::Writer& reply) mutable {
              if (!answer) return reply.error(error_text(answer.error()));
              if (!answer->value) return render(reply, nullptr);
              Collection all = answer->value->as<memory::OwnCollection>()->read();
              render(reply, &all);
            },
            bytes);
      });
}

bool collect(Context& context, std::string_view key, CollectionKind kind,
             FunctionRef<void(Collection&)> show) {
  return see_collection(context, key, kind, show) != Seen::kRefused;
}

Edited edit_collection(Layer& layer, Instant now, std::string_view key, CollectionKind kind, Missing missing,
                       Growth growth, FunctionRef<bool(Collection&)> edit) {
  const std::size_t room =
      growth.elements == 0 ? 0 : memory::Tier::edit_room(growth.elements, growth.bytes + key.size());
  const Stamp fresh = layer.stamp_for(key, now);
  Edited edited;
  bool& wrong = edited.wrong_type;
  edited.outcome = layer.edit_collection(
      key, now, room, [&](const EntryView* entry, Collection& all) -> std::optional<Stamp> {
        wrong = entry != nullptr && !is_collection(*entry, kind);
        if (wrong || (!all.exists() && missing == Missing::kStays)) return std::nullopt;
        if (!all.exists()) all.begin(kind);
        return edit(all) ? std::optional(fresh) : std::nullopt;
      });
  return edited;
}

bool edit_collection(Context& context, std::string_view key, CollectionKind kind, Missing missing,
                     Growth growth, FunctionRef<bool(Collection&)> edit) {
  const Edited edited = edit_collection(context.layer, context.now, key, kind, missing, growth, edit);
  if (edited.wrong_type) context.reply.error(kWrongType);
  return !edited.wrong_type && stored_or_error(context, edited.outcome);
}

PutOutcome store_collection(Layer& layer, Instant now, std::string_view key, CollectionKind kind,
                            Growth growth, FunctionRef<void(Collection&)> fill) {
  if (growth.elements == 0) {
    layer.drop(key, now);
    return PutOutcome::kStored;
  }
  const std::size_t room = memory::Tier::edit_room(growth.elements, growth.bytes + key.size());
  const Stamp fresh = layer.stamp_for(key, now);
  return layer.edit_collection(key, now, room,
                               [&](const EntryView*, Collection& all) -> std::optional<Stamp> {
                                 if (all.exists()) all.forget();
                                 all.begin(kind);
                                 fill(all);
                                 return fresh;
                               });
}

bool store_collection(Context& context, std::string_view key, CollectionKind kind, Growth growth,
                      FunctionRef<void(Collection&)> fill) {
  return stored_or_error(context, store_collection(context.layer, context.now, key, kind, growth, fill));
}

bool copy_collection(Context& context, Collection& from, std::string_view key, const Stamp& stamp) {
  const std::size_t room = memory::Tier::edit_room(1, key.size()) + from.node_bytes();
  const PutOutcome outcome = context.layer.edit_collection(
      key, context.now, room, [&](const EntryView*, Collection& all) -> std::optional<Stamp> {
        if (all.exists()) all.forget();
        all.copy(from);
        return stamp;
      });
  return stored_or_error(context, outcome);
}

bool refuse_other_than_plain(Context& context, std::string_view key) {
  if (!is_bound(context, key)) return false;
  context.reply.error(kWrongType);
  return true;
}

bool refuse_other_than_plain(Context& context, std::span<const std::string_view> keys) {
  return std::ranges::any_of(keys,
                             [&](std::string_view key) { return refuse_other_than_plain(context, key); });
}

std::optional<std::vector<std::string_view>> numbered_keys(Context& context, std::size_t at,
                                                           std::string_view too_many) {
  const auto number = parse_integer(context.args[at]);
  if (!number || *number < 1) {
    context.reply.error("ERR numkeys should be greater than 0");
    return std::nullopt;
  }
  const auto rest = context.args.subspan(at + 1);
  if (*number > static_cast<std::int64_t>(rest.size())) {
    context.reply.error(too_many);
    return std::nullopt;
  }
  const auto keys = rest.first(static_cast<std::size_t>(*number));
  return std::vector<std::string_view>(keys.begin(), keys.end());
}

std::optional<std::int64_t> parse_pop_count(Context& context, std::size_t at) {
  if (at == context.args.size()) return 1;
  if (!equals_ignoring_case(context.args[at], "count") || at + 2 != context.args.size()) {
    context.reply.error(kSyntaxError);
    return std::nullopt;
  }
  const auto count = parse_integer(context.args[at + 1]);
  if (!count || *count < 1) {
    context.reply.error("ERR count should be greater than 0");
    return std::nullopt;
  }
  return count;
}

std::size_t bytes_of_arguments(const Context& context, std::size_t first) {
  std::size_t bytes = 0;
  for (const std::string_view argument : context.args.subspan(first)) bytes += argument.size();
  return bytes;
}

std::optional<CollectionScan> parse_collection_scan(Context& context) {
  CollectionScan scan;
  const std::string_view cursor = context.args[2];
  const auto [end, error] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), scan.cursor);
  if (error != std::errc() || end != cursor.data() + cursor.size()) {
    context.reply.error("ERR invalid cursor");
    return std::nullopt;
  }
  for (std::size_t at = 3; at < context.args.size(); at += 2) {
    const bool is_match = equals_ignoring_case(context.args[at], "match");
    if (at + 1 == context.args.size() || (!is_match && !equals_ignoring_case(context.args[at], "count"))) {
      context.reply.error(kSyntaxError);
      return std::nullopt;
    }
    if (is_match) {
      auto glob = Glob::compile(context.args[at + 1]);
      if (!glob) {
        context.reply.error(error_text(glob.error()));
        return std::nullopt;
      }
      scan.match = std::move(*glob);
      continue;
    }
    constexpr std::int64_t kMost = 10'000;  // more and a client may have to ask again
    const auto count = parse_integer(context.args[at + 1]);
    if (!count || *count < 1) {
      context.reply.error(count ? kSyntaxError : kNotAnInteger);
      return std::nullopt;
    }
    scan.count = static_cast<std::size_t>(std::min(*count, kMost));
  }
  return scan;
}

void write_scan(resp::Writer& reply, std::uint64_t next, const std::vector<std::string>& elements) {
  reply.array(2);
  reply.bulk(std::to_string(next));
  reply.array(elements.size());
  for (const std::string& element : elements) reply.bulk(element);
}

std::int64_t clamp_index(std::int64_t index, std::int64_t size) {
  if (index < 0) index = index < -size ? 0 : index + size;
  return std::min(index, size);
}

void write_item(resp::Writer& reply, Item item) {
  ItemDigits digits;
  reply.bulk(item.text(digits));
}

std::string text_of(Item item) {
  ItemDigits digits;
  return std::string(item.text(digits));
}

std::uint32_t draw_one(std::uint32_t size) {
  return static_cast<std::uint32_t>(system_random().next() % size);
}

void draw(std::int64_t count, std::uint32_t size, FunctionRef<void(std::uint32_t position)> show) {
  if (count < 0) {
    for (; count != 0; ++count) show(draw_one(size));
    return;
  }
  const auto wanted = static_cast<std::uint32_t>(std::min<std::int64_t>(count, size));
  if (wanted == size) {
    for (std::uint32_t i = 0; i < size; ++i) show(i);
    return;
  }
  // Floyd's sample (Bentley and Floyd, "A sample of brilliance", CACM 1987).
  std::unordered_set<std::uint32_t> drawn;
  for (std::uint32_t i = size - wanted; i < size; ++i) {
    const std::uint32_t one = draw_one(i + 1);
    const std::uint32_t position = drawn.contains(one) ? i : one;
    drawn.insert(position);
    show(position);
  }
}

}  // namespace forebay::server
