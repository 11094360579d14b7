#include "journal/crc32c.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace forebay::journal {
namespace {

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

// kTables[k][b]: what byte b comes to with k zero bytes after it.
constexpr Tables kTables = [] {
  Tables tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0x82F63B78U : 0U);
    tables[0][i] = value;
  }
  for (std::size_t k = 1; k < tables.size(); ++k) {
    for (std::size_t i = 0; i < 256; ++i) {
      const std::uint32_t before = tables[k - 1][i];
      tables[k][i] = (before >> 8) ^ tables[0][before & 0xffU];
    }
  }
  return tables;
}();

std::uint64_t eight_bytes(const char* from) {
  std::uint64_t word = 0;
  std::memcpy(&word, from, sizeof word);
  return word;
}

}  // namespace

std::uint32_t crc32c_by_tables(std::string_view bytes, std::uint32_t crc) {
  crc = ~crc;
  if constexpr (std::endian::native == std::endian::little) {
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
      const std::uint64_t word = eight_bytes(bytes.data()) ^ crc;
      crc = 0;
      for (std::size_t i = 0; i < 8; ++i) crc ^= kTables[7 - i][(word >> (8 * i)) & 0xffU];
    }
  }
  for (const char byte : bytes)
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<unsigned char>(byte)) & 0xffU];
  return ~crc;
}

#if defined(__x86_64__)

bool has_crc32c_instruction() {
  static const bool has = __builtin_cpu_supports("sse4.2") != 0;
  return has;
}

__attribute__((target("sse4.2"))) std::uint32_t crc32c_by_instruction(std::string_view bytes,
                                                                      std::uint32_t crc) {
  std::uint64_t sum = ~crc;
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) sum = _mm_crc32_u64(sum, eight_bytes(bytes.data()));
  auto rest = static_cast<std::uint32_t>(sum);
  for (const char byte : bytes) rest = _mm_crc32_u8(rest, static_cast<unsigned char>(byte));
  return ~rest;
}

#else

bool has_crc32c_instruction() {
  return false;
}

std::uint32_t crc32c_by_instruction(std::string_view bytes, std::uint32_t crc) {
  return crc32c_by_tables(bytes, crc);
}

#endif

std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc) {
  return has_crc32c_instruction() ? crc32c_by_instruction(bytes, crc) : crc32c_by_tables(bytes, crc);
}

}  // namespace forebay::journal
