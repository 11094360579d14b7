#include "journal/op.h"

#include <charconv>
#include <utility>

#include "journal/crc32c.h"

namespace forebay::journal {
namespace {

std::uint32_t add_number(std::uint64_t number, std::uint32_t crc) {
  char bytes[8];
  for (char& byte : bytes) {
    byte = static_cast<char>(number & 0xffU);
    number >>= 8U;
  }
  return crc32c({bytes, sizeof bytes}, crc);
}

std::uint32_t add_text(std::string_view text, std::uint32_t crc) {
  return crc32c(text, add_number(text.size(), crc));
}

std::optional<std::string> sum(std::string_view a, std::string_view b) {
  const auto x = integer_of(a);
  const auto y = integer_of(b);
  std::int64_t total = 0;
  if (!x || !y || __builtin_add_overflow(*x, *y, &total)) return std::nullopt;
  return std::to_string(total);
}

}  // namespace

std::optional<std::int64_t> integer_of(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  std::int64_t value = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (wrong != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void combine(std::vector<Effect>& effects, OpType type, std::string_view payload, std::uint64_t seq) {
  switch (type) {
    case OpType::kRemove:
      effects.clear();
      break;
    case OpType::kSet:
      while (!effects.empty() && effects.back().type != OpType::kRemove) effects.pop_back();
      break;
    case OpType::kAdd:
      if (effects.empty() || effects.back().type == OpType::kRemove) break;
      // Two amounts may leave 64 bits although each sum with the value stays inside: then both are kept.
      if (auto total = sum(effects.back().payload, payload)) {
        effects.back().payload = std::move(*total);
        effects.back().seq = seq;
        return;
      }
      break;
  }
  effects.push_back({type, std::string(payload), seq});
}

bool absolute(std::span<const Effect> effects) {
  return !effects.empty() && effects.front().type != OpType::kAdd;
}

Result<std::optional<std::string>> merge(std::optional<std::string> value, std::span<const Effect> effects) {
  for (const Effect& effect : effects) {
    switch (effect.type) {
      case OpType::kSet:
        value = effect.payload;
        break;
      case OpType::kRemove:
        value.reset();
        break;
      case OpType::kAdd:
        value = sum(value ? std::string_view(*value) : "0", effect.payload);
        if (!value)
          return Error{ErrorCode::kInvalidArgument,
                       "increment or decrement would overflow, or the value is not an integer"};
        break;
    }
  }
  return value;
}

std::uint32_t checksum(const Op& op) {
  std::uint32_t crc = add_number(op.seq, 0);
  crc = add_number(op.lane, crc);
  crc = add_number(static_cast<std::uint64_t>(op.type), crc);
  for (const std::string* text : {&op.source, &op.space, &op.key, &op.payload}) crc = add_text(*text, crc);
  return crc;
}

}  // namespace forebay::journal
