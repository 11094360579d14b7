#include "events/stream_position.h"

#include <fmt/format.h>

#include <charconv>

namespace forebay::events {
namespace {

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<StreamId> parse_stream_id(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto ms = parse_number(text.substr(0, dash));
  const auto seq = parse_number(text.substr(dash + 1));
  if (!ms || !seq) return std::nullopt;
  return StreamId{*ms, *seq};
}

std::string to_string(const StreamId& id) {
  return fmt::format("{}-{}", id.ms, id.seq);
}

void StreamPosition::start(const StreamFacts& facts) {
  // A stream that is not there yet will count from 0, if its server counts, which the first look will say.
  at_ = {facts.last_generated, facts.added.value_or(0)};
  counts_ = facts.added.has_value() || !facts.exists;
  confirmed_ = at_;
}

void StreamPosition::read(const StreamId& id) {
  at_.last = id;
  ++at_.count;
}

std::string StreamPosition::missed(const StreamFacts& facts) const {
  if (!facts.exists) return at_.last == StreamId{} ? "" : "the stream has been deleted";
  if (facts.last_generated < at_.last)
    return "the stream has been replaced, or its server has lost the end of it";
  // Whether what is still to be read is all that there is.
  const bool all_to_come = !facts.first || *facts.first > at_.last;
  const bool at_the_end = facts.last_generated == at_.last;
  if (!at_the_end && !all_to_come) return {};
  if (counts_ && facts.added) {
    const std::uint64_t known = at_.count + (at_the_end ? 0 : facts.length);
    return known == *facts.added ? "" : "entries were trimmed or deleted before they were read";
  }
  return at_the_end ? "" : "entries may have been trimmed before they were read";
}

}  // namespace forebay::events
