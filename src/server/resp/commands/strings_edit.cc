#include <algorithm>
#include <string>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/strings.h"

namespace forebay::server {
namespace {

// Puts `edit(old)` in the place of the value and keeps its times; false: an error has been answered.
template <class Edit>
bool edit_value(Context& context, Edit edit) {
  const std::string_view key = context.args[1];
  const Stamp fresh = context.layer.stamp_for(key, context.now);
  std::string edited;  // outlives update(), which copies from it
  bool wrong = false;
  const PutOutcome outcome = context.layer.update(key, context.now, [&](const EntryView* entry) {
    wrong = entry != nullptr && is_collection(*entry);
    if (wrong) return Change::keep();
    if (!edit(entry == nullptr ? std::string_view() : payload(*entry), edited)) return Change::keep();
    Stamp stamp = entry == nullptr ? fresh : entry->stamp();
    stamp.edited = true;
    return Change::replace(edited, stamp);
  });
  if (wrong) context.reply.error(kWrongType);
  return !wrong && stored_or_error(context, outcome);
}

}  // namespace

void append(Context& context) {
  if (refuse_bound(context, context.args[1])) return;
  const std::string_view more = context.args[2];
  const std::size_t limit = longest_string(context);
  std::size_t length = 0;
  bool too_long = false;
  const bool stored = edit_value(context, [&](std::string_view old, std::string& edited) {
    too_long = old.size() + more.size() > limit;
    if (too_long) return false;
    length = old.size() + more.size();
    edited.reserve(length);
    edited.append(old).append(more);
    return true;
  });
  if (!stored) return;
  if (too_long) return context.reply.error(kStringTooLong);
  context.reply.integer(static_cast<std::int64_t>(length));
}

void setrange(Context& context) {
  const auto offset = parse_integer(context.args[2]);
  if (!offset) return context.reply.error(kNotAnInteger);
  if (*offset < 0) return context.reply.error("ERR offset is out of range");
  if (refuse_bound(context, context.args[1])) return;
  const std::string_view part = context.args[3];
  const std::size_t limit = longest_string(context);
  std::size_t length = 0;
  bool too_long = false;
  const bool stored = edit_value(context, [&](std::string_view old, std::string& edited) {
    length = old.size();
    if (part.empty()) return false;
    const auto at = static_cast<std::size_t>(*offset);
    too_long = at > limit || part.size() > limit - at;
    if (too_long) return false;
    length = std::max(old.size(), at + part.size());
    edited.reserve(length);
    edited = old;
    edited.resize(length, '\0');
    part.copy(edited.data() + at, part.size());
    return true;
  });
  if (!stored) return;
  if (too_long) return context.reply.error(kStringTooLong);
  context.reply.integer(static_cast<std::int64_t>(length));
}

void setbit(Context& context) {
  const auto offset = parse_integer(context.args[2]);
  const auto most_bits = static_cast<std::int64_t>(longest_string(context)) * 8;
  if (!offset || *offset < 0 || *offset >= most_bits) {
    return context.reply.error("ERR bit offset is not an integer or out of range");
  }
  if (context.args[3] != "0" && context.args[3] != "1") {
    return context.reply.error("ERR bit is not an integer or out of range");
  }
  if (refuse_bound(context, context.args[1])) return;
  const auto byte = static_cast<std::size_t>(*offset / 8);
  const auto mask = static_cast<unsigned char>(1u << (7 - *offset % 8));
  bool previous = false;
  const bool stored = edit_value(context, [&](std::string_view old, std::string& edited) {
    edited = old;
    if (edited.size() <= byte) edited.resize(byte + 1, '\0');
    const auto bits = static_cast<unsigned char>(edited[byte]);
    previous = (bits & mask) != 0;
    edited[byte] = static_cast<char>(context.args[3] == "1" ? bits | mask : bits & ~mask);
    return true;
  });
  if (stored) context.reply.integer(previous ? 1 : 0);
}

}  // namespace forebay::server
