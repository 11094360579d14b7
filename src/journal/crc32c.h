#pragma once

#include <cstdint>
#include <string_view>

namespace forebay::journal {

// CRC-32C (Castagnoli polynomial, RFC 3720 appendix B.4), continuing from `crc`: by the processor's
// instruction where it has one (x86-64 with SSE 4.2), else by tables. Pure; thread-safe.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0);

// The two ways of it. Eight tables, as M. Kounavis and F. Berry, "A Systematic Approach to Building High
// Performance, Software-based, CRC Generators", 2005, slice by eight.
std::uint32_t crc32c_by_tables(std::string_view bytes, std::uint32_t crc = 0);
bool has_crc32c_instruction();
std::uint32_t crc32c_by_instruction(std::string_view bytes, std::uint32_t crc = 0);  // if it has one

}  // namespace forebay::journal
