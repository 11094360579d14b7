#include "journal/op.h"

#include <string_view>

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

}  // namespace

std::uint32_t checksum(const Op& op) {
  std::uint32_t crc = add_number(op.seq, 0);
  crc = add_number(op.lane, crc);
  for (const std::string* text : {&op.source, &op.space, &op.key, &op.payload}) crc = add_text(*text, crc);
  return crc;
}

}  // namespace forebay::journal
