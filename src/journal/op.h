#pragma once

// What the journal keeps: one acknowledged write of one key.

#include <cstdint>
#include <string>

namespace forebay::journal {

struct Op {
  std::uint64_t seq = 0;  // given by the journal; without gaps
  std::uint32_t lane = 0;
  std::string source;
  std::string space;  // the namespace
  std::string key;
  std::string payload;  // effect.h: encode()
};

// CRC-32C over all of an op but its crc, each text with its length. Pure; thread-safe.
std::uint32_t checksum(const Op& op);

}  // namespace forebay::journal
