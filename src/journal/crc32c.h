#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace forebay::journal {

// CRC-32C (Castagnoli polynomial, RFC 3720 appendix B.4), continuing from `crc`. A byte at a time: 2 to 3 ns
// a byte is nothing beside a commit.
constexpr std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0) {
  constexpr auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0x82F63B78U : 0U);
      table[i] = value;
    }
    return table;
  }();
  crc = ~crc;
  for (const char byte : bytes) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xffU];
  return ~crc;
}

}  // namespace forebay::journal
