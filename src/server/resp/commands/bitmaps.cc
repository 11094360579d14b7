// Strings as arrays of bits, the highest bit of the first byte first.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"

namespace forebay::server {
namespace {

constexpr std::uint32_t kRead = kReadonly | kConcurrent;
constexpr std::string_view kBadOffset = "ERR bit offset is not an integer or out of range";
constexpr std::int64_t kMostBits = std::int64_t{512} * 1024 * 1024 * 8;

bool bit_at(std::string_view text, std::size_t bit) {
  return bit / 8 < text.size() && ((static_cast<unsigned char>(text[bit / 8]) >> (7 - bit % 8)) & 1) != 0;
}

// ---- BITCOUNT and BITPOS

// Which bits a command is about, as it was given.
struct Span {
  std::int64_t start = 0;
  std::int64_t end = -1;
  bool in_bits = false;
  bool has_end = false;
};

// From args[at] on: [start [end [BYTE|BIT]]]. Nothing: an error has been answered.
std::optional<Span> parse_span(Context& context, std::size_t at) {
  const auto args = context.args;
  Span span;
  if (args.size() > at) {
    const auto start = parse_integer(args[at]);
    const auto end = args.size() > at + 1 ? parse_integer(args[at + 1]) : std::optional<std::int64_t>(-1);
    if (!start || !end) {
      context.reply.error(kNotAnInteger);
      return std::nullopt;
    }
    span.in_bits = args.size() == at + 3 && equals_ignoring_case(args[at + 2], "bit");
    const bool in_bytes = args.size() == at + 3 && equals_ignoring_case(args[at + 2], "byte");
    if (args.size() > at + 3 || (args.size() == at + 3 && !span.in_bits && !in_bytes)) {
      context.reply.error(kSyntaxError);
      return std::nullopt;
    }
    span.start = *start;
    span.end = *end;
    span.has_end = args.size() > at + 1;
  }
  return span;
}

// The bits from first to before last; equal: none.
std::pair<std::size_t, std::size_t> bits_of(const Span& span, std::size_t bytes) {
  const auto total = static_cast<std::int64_t>(span.in_bits ? bytes * 8 : bytes);
  const std::int64_t first = std::max<std::int64_t>(span.start < 0 ? total + span.start : span.start, 0);
  std::int64_t last = std::max<std::int64_t>(span.end < 0 ? total + span.end : span.end, 0);
  last = std::min(last, total - 1);
  if (total == 0 || first > last) return {0, 0};
  const std::int64_t unit = span.in_bits ? 1 : 8;
  return {static_cast<std::size_t>(first * unit), static_cast<std::size_t>((last + 1) * unit)};
}

std::int64_t count_bits(std::string_view text, std::size_t first, std::size_t last) {
  std::int64_t count = 0;
  while (first < last && first % 8 != 0) count += bit_at(text, first++) ? 1 : 0;
  while (first < last && last % 8 != 0) count += bit_at(text, --last) ? 1 : 0;
  std::size_t byte = first / 8;
  const std::size_t end = last / 8;
  for (; byte + 8 <= end; byte += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + byte, sizeof(word));
    count += std::popcount(word);
  }
  for (; byte < end; ++byte) count += std::popcount(static_cast<unsigned char>(text[byte]));
  return count;
}

// The first bit of that value; `last`: there is none.
std::size_t find_bit(std::string_view text, bool wanted, std::size_t first, std::size_t last) {
  const auto none = static_cast<char>(wanted ? 0 : 0xff);  // a byte without one
  while (first < last) {
    if (first % 8 == 0 && last - first >= 8 && text[first / 8] == none) {
      first += 8;
    } else if (bit_at(text, first) == wanted) {
      return first;
    } else {
      ++first;
    }
  }
  return last;
}

void bitcount(Context& context) {
  // As in Redis, one of the two is not enough.
  if (context.args.size() == 3) return context.reply.error(kSyntaxError);
  const auto span = parse_span(context, 2);
  if (!span) return;
  with_value(context, context.args[1],
             [span = *span](resp::Writer& reply, std::optional<std::string_view> value) {
               // Only here does Redis look at the order of two places from the end.
               const bool backwards = span.start < 0 && span.end < 0 && span.start > span.end;
               const auto [first, last] = bits_of(span, value && !backwards ? value->size() : 0);
               reply.integer(first == last ? 0 : count_bits(*value, first, last));
             });
}

void bitpos(Context& context) {
  const auto wanted = parse_integer(context.args[2]);
  if (!wanted) return context.reply.error(kNotAnInteger);
  if (*wanted != 0 && *wanted != 1) return context.reply.error("ERR The bit argument must be 1 or 0.");
  const auto span = parse_span(context, 3);
  if (!span) return;
  with_value(
      context, context.args[1],
      [span = *span, wanted = *wanted == 1](resp::Writer& reply, std::optional<std::string_view> value) {
        if (!value) return reply.integer(wanted ? -1 : 0);
        const auto [first, last] = bits_of(span, value->size());
        if (first == last) return reply.integer(-1);
        const std::size_t at = find_bit(*value, wanted, first, last);
        if (at < last) return reply.integer(static_cast<std::int64_t>(at));
        // A string is taken to go on with zeros, unless it was said where to end.
        reply.integer(!wanted && !span.has_end ? static_cast<std::int64_t>(value->size() * 8) : -1);
      });
}

// ---- BITOP

enum class Operation : std::uint8_t { kAnd, kOr, kXor, kNot };

template <class Combine>
void combine(std::string& into, std::string_view with, Combine each) {
  if (into.size() < with.size()) into.resize(with.size());
  const std::size_t common = with.size();
  for (std::size_t i = 0; i < common; ++i)
    into[i] =
        static_cast<char>(each(static_cast<unsigned char>(into[i]), static_cast<unsigned char>(with[i])));
  for (std::size_t i = common; i < into.size(); ++i)
    into[i] = static_cast<char>(each(static_cast<unsigned char>(into[i]), 0U));
}

void combine(Operation operation, std::string& into, std::string_view with) {
  switch (operation) {
    case Operation::kAnd:
      return combine(into, with, [](unsigned a, unsigned b) { return a & b; });
    case Operation::kOr:
      return combine(into, with, [](unsigned a, unsigned b) { return a | b; });
    case Operation::kXor:
      return combine(into, with, [](unsigned a, unsigned b) { return a ^ b; });
    case Operation::kNot:
      return combine(into, with, [](unsigned a, unsigned) { return ~a; });
  }
}

void bitop(Context& context) {
  Operation operation{};
  const std::string_view name = context.args[1];
  if (equals_ignoring_case(name, "and")) {
    operation = Operation::kAnd;
  } else if (equals_ignoring_case(name, "or")) {
    operation = Operation::kOr;
  } else if (equals_ignoring_case(name, "xor")) {
    operation = Operation::kXor;
  } else if (equals_ignoring_case(name, "not")) {
    operation = Operation::kNot;
  } else {
    return context.reply.error(kSyntaxError);
  }
  if (operation == Operation::kNot && context.args.size() != 4)
    return context.reply.error("ERR BITOP NOT must be called with a single source key.");
  const auto keys = keys_from(context, 2);
  if (refuse_bound(context, keys)) return;
  const auto guard = hold_keys(context, keys);
  std::string result;
  bool wrong = false;
  for (std::size_t i = 1; i < keys.size() && !wrong; ++i) {
    // A key that isn't there is a string of zeros.
    bool found = false;
    find_entry(context, keys[i], [&](const EntryView& entry) {
      found = true;
      wrong = is_collection(entry);
      if (wrong) return;
      if (i == 1) {
        result = payload(entry);
      } else {
        combine(operation, result, payload(entry));
      }
    });
    if (!found && i > 1) combine(operation, result, {});
  }
  if (wrong) return context.reply.error(kWrongType);
  if (operation == Operation::kNot) combine(operation, result, {});
  const std::size_t length = result.size();
  const Stamp fresh = context.layer.stamp_for(keys[0], context.now);
  const PutOutcome outcome = context.layer.update(keys[0], context.now, [&](const EntryView* entry) {
    if (length > 0) return Change::replace(result, fresh);
    return entry == nullptr ? Change::keep() : Change::erase();
  });
  if (length > 0 && !stored_or_error(context, outcome)) return;
  context.reply.integer(static_cast<std::int64_t>(length));
}

// ---- BITFIELD

enum class Overflow : std::uint8_t { kWrap, kSaturate, kFail };

struct FieldStep {
  enum class Kind : std::uint8_t { kGet, kSet, kIncrement } kind{};
  bool is_signed = false;
  unsigned bits = 0;
  std::size_t offset = 0;
  std::int64_t value = 0;
  Overflow overflow = Overflow::kWrap;
};

std::optional<std::pair<bool, unsigned>> parse_field_type(std::string_view text) {
  const bool is_signed = text.starts_with('i') || text.starts_with('I');
  if (!is_signed && !text.starts_with('u') && !text.starts_with('U')) return std::nullopt;
  const auto bits = parse_integer(text.substr(1));
  if (!bits || *bits < 1 || *bits > (is_signed ? 64 : 63)) return std::nullopt;
  return std::pair(is_signed, static_cast<unsigned>(*bits));
}

// Nothing: an error has been answered.
std::optional<std::vector<FieldStep>> parse_field_steps(Context& context, bool reads_only) {
  const auto args = context.args;
  std::vector<FieldStep> steps;
  Overflow overflow = Overflow::kWrap;
  const auto wrong = [&](std::string_view text) {
    context.reply.error(text);
    return std::nullopt;
  };
  for (std::size_t at = 2; at < args.size();) {
    if (equals_ignoring_case(args[at], "overflow") && at + 1 < args.size()) {
      if (equals_ignoring_case(args[at + 1], "wrap")) {
        overflow = Overflow::kWrap;
      } else if (equals_ignoring_case(args[at + 1], "sat")) {
        overflow = Overflow::kSaturate;
      } else if (equals_ignoring_case(args[at + 1], "fail")) {
        overflow = Overflow::kFail;
      } else {
        return wrong("ERR Invalid OVERFLOW type specified");
      }
      at += 2;
      continue;
    }
    FieldStep step;
    step.overflow = overflow;
    std::size_t words = 4;
    if (equals_ignoring_case(args[at], "get")) {
      words = 3;
    } else if (equals_ignoring_case(args[at], "set")) {
      step.kind = FieldStep::Kind::kSet;
    } else if (equals_ignoring_case(args[at], "incrby")) {
      step.kind = FieldStep::Kind::kIncrement;
    } else {
      return wrong(kSyntaxError);
    }
    if (args.size() - at < words) return wrong(kSyntaxError);
    const auto type = parse_field_type(args[at + 1]);
    if (!type) {
      return wrong(
          "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.");
    }
    step.is_signed = type->first;
    step.bits = type->second;
    std::string_view offset = args[at + 2];
    const bool counts_fields = offset.starts_with('#');
    if (counts_fields) offset.remove_prefix(1);
    const auto number = parse_integer(offset);
    if (!number || *number < 0 || *number >= kMostBits) return wrong(kBadOffset);
    const std::int64_t first = counts_fields ? *number * step.bits : *number;
    if (first + step.bits > kMostBits) return wrong(kBadOffset);
    step.offset = static_cast<std::size_t>(first);
    if (words == 4) {
      const auto value = parse_integer(args[at + 3]);
      if (!value) return wrong(kNotAnInteger);
      step.value = *value;
    }
    steps.push_back(step);
    at += words;
  }
  const bool reads =
      std::ranges::all_of(steps, [](const FieldStep& step) { return step.kind == FieldStep::Kind::kGet; });
  if (reads_only && !reads) return wrong("ERR BITFIELD_RO only supports the GET subcommand");
  return steps;
}

std::int64_t read_field(std::string_view text, const FieldStep& step) {
  std::uint64_t bits = 0;
  for (unsigned i = 0; i < step.bits; ++i) bits = bits << 1 | (bit_at(text, step.offset + i) ? 1U : 0U);
  if (step.is_signed && step.bits < 64 && (bits >> (step.bits - 1)) != 0)
    bits |= ~std::uint64_t{0} << step.bits;
  return static_cast<std::int64_t>(bits);
}
void write_field(std::string& text, const FieldStep& step, std::int64_t value) {
  for (unsigned i = 0; i < step.bits; ++i) {
    const std::size_t bit = step.offset + i;
    const auto mask = static_cast<unsigned char>(1U << (7 - bit % 8));
    const bool on = ((static_cast<std::uint64_t>(value) >> (step.bits - 1 - i)) & 1) != 0;
    auto& byte = reinterpret_cast<unsigned char&>(text[bit / 8]);
    byte = static_cast<unsigned char>(on ? byte | mask : byte & ~mask);
  }
}

// Room for any sum of two fields.
__extension__ using Wide = __int128;

// The value as the field can hold it; nothing: it can't, and the step is to fail.
std::optional<std::int64_t> fitted(Wide wanted, const FieldStep& step) {
  const Wide span = static_cast<Wide>(1) << step.bits;
  const Wide least = step.is_signed ? -(span / 2) : 0;
  const Wide most = least + span - 1;
  if (wanted >= least && wanted <= most) return static_cast<std::int64_t>(wanted);
  switch (step.overflow) {
    case Overflow::kFail:
      return std::nullopt;
    case Overflow::kSaturate:
      return static_cast<std::int64_t>(wanted < least ? least : most);
    case Overflow::kWrap:
      break;
  }
  Wide wrapped = (wanted - least) % span;
  if (wrapped < 0) wrapped += span;
  return static_cast<std::int64_t>(wrapped + least);
}

void answer_fields(resp::Writer& reply, const std::vector<std::optional<std::int64_t>>& answers) {
  reply.array(answers.size());
  for (const auto& answer : answers) answer ? reply.integer(*answer) : reply.null();
}

void read_fields(Context& context, std::vector<FieldStep> steps) {
  with_value(context, context.args[1],
             [steps = std::move(steps)](resp::Writer& reply, std::optional<std::string_view> value) {
               reply.array(steps.size());
               for (const FieldStep& step : steps) reply.integer(read_field(value.value_or(""), step));
             });
}

void bitfield(Context& context) {
  auto steps = parse_field_steps(context, false);
  if (!steps) return;
  const auto writes = [](const FieldStep& step) { return step.kind != FieldStep::Kind::kGet; };
  if (std::ranges::none_of(*steps, writes)) return read_fields(context, std::move(*steps));
  const std::string_view key = context.args[1];
  if (refuse_bound(context, key)) return;
  std::size_t least = 0;
  for (const FieldStep& step : *steps) {
    if (writes(step)) least = std::max(least, (step.offset + step.bits + 7) / 8);
  }
  if (least > longest_string(context)) return context.reply.error(kStringTooLong);
  const Stamp fresh = context.layer.stamp_for(key, context.now);
  std::vector<std::optional<std::int64_t>> answers;
  std::string edited;
  bool wrong = false;
  const PutOutcome outcome = context.layer.update(key, context.now, [&](const EntryView* entry) {
    wrong = entry != nullptr && is_collection(*entry);
    if (wrong) return Change::keep();
    answers.clear();
    edited = entry == nullptr ? std::string_view() : payload(*entry);
    if (edited.size() < least) edited.resize(least);
    for (const FieldStep& step : *steps) {
      const std::int64_t old = read_field(edited, step);
      if (!writes(step)) {
        answers.emplace_back(old);
        continue;
      }
      const bool adds = step.kind == FieldStep::Kind::kIncrement;
      // What is set to an unsigned field is taken as an unsigned number.
      const Wide given = adds || step.is_signed ? static_cast<Wide>(step.value)
                                                : static_cast<Wide>(static_cast<std::uint64_t>(step.value));
      const auto value = fitted(static_cast<Wide>(adds ? old : 0) + given, step);
      answers.push_back(!value ? std::nullopt : std::optional(adds ? *value : old));
      if (value) write_field(edited, step, *value);
    }
    // As long as its fields need, even if none was changed.
    Stamp stamp = entry == nullptr ? fresh : entry->stamp();
    stamp.edited = true;
    return Change::replace(edited, stamp);
  });
  if (wrong) return context.reply.error(kWrongType);
  if (!stored_or_error(context, outcome)) return;
  answer_fields(context.reply, answers);
}

void bitfield_ro(Context& context) {
  auto steps = parse_field_steps(context, true);
  if (steps) read_fields(context, std::move(*steps));
}

constexpr Command kCommands[] = {
    {"bitcount", -2, kRead, 1, 1, 1, bitcount,
     "Counts the number of set bits (population counting) in a string.", "2.6.0", "bitmap"},
    {"bitpos", -3, kRead, 1, 1, 1, bitpos, "Finds the first set (1) or clear (0) bit in a string.", "2.8.7",
     "bitmap"},
    {"bitop", -4, kWrite | kDenyOom, 2, -1, 1, bitop,
     "Performs bitwise operations on multiple strings, and stores the result.", "2.6.0", "bitmap"},
    {"bitfield", -2, kWrite | kDenyOom, 1, 1, 1, bitfield,
     "Performs arbitrary bitfield integer operations on strings.", "3.2.0", "bitmap"},
    {"bitfield_ro", -2, kRead | kFast, 1, 1, 1, bitfield_ro,
     "Performs arbitrary read-only bitfield integer operations on strings.", "6.0.0", "bitmap"},
};

}  // namespace

Family bitmap_commands() {
  return kCommands;
}

}  // namespace forebay::server
