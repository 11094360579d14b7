#pragma once

// What the journal keeps: one acknowledged write of one key; and what several of them come to.
//
// Coalescing (consistency.md J6): of the writes of one key that go to the database together, a value replaces
// the values and additions before it, an addition adds to the value or addition before it, and a deletion
// swallows everything before it. What follows a deletion stays apart from it, as the row's other columns must
// be lost on the way.
//
// Pure functions; thread-safe.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/result.h"

namespace forebay::journal {

// Stored in the journal's file: numbers never change their meaning.
enum class OpType : std::uint8_t {
  kSet = 1,     // payload: the value
  kAdd = 2,     // payload: a signed 64-bit integer in decimal
  kRemove = 3,  // no payload
};

struct Op {
  std::uint64_t seq = 0;  // given by the journal; without gaps
  std::uint32_t lane = 0;
  std::string source;
  std::string space;  // the namespace
  std::string key;
  OpType type = OpType::kSet;
  std::string payload;
};

// One step of what a key's writes come to. `seq`: of the last write in it.
struct Effect {
  OpType type = OpType::kSet;
  std::string payload;
  std::uint64_t seq = 0;
};

// A 64-bit integer exactly as std::to_string writes it, or with a plus or leading zeros; nothing for any
// other text.
std::optional<std::int64_t> integer_of(std::string_view text);

// Takes an op into what the key's writes before it come to. Requires that a kAdd's payload is an integer.
void combine(std::vector<Effect>& effects, OpType type, std::string_view payload, std::uint64_t seq);

// Whether the effects say what the value is, whatever it was before.
bool absolute(std::span<const Effect> effects);

// What a value (nothing: absent) becomes. kInvalidArgument: something is added to what is no integer, or the
// sum leaves 64 bits.
Result<std::optional<std::string>> merge(std::optional<std::string> value, std::span<const Effect> effects);

// CRC-32C over all of an op but its crc, each text with its length.
std::uint32_t checksum(const Op& op);

}  // namespace forebay::journal
