#include "journal/receipt_bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "journal/crc32c.h"

namespace forebay::journal {
namespace {

constexpr std::size_t kHead = 12;

void put(std::string& to, std::uint64_t number, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) to.push_back(static_cast<char>(number >> (8 * i)));
}

// Requires that so many bytes are there.
std::uint64_t number_at(std::string_view bytes, std::size_t at, unsigned count) {
  std::uint64_t number = 0;
  for (unsigned i = 0; i < count; ++i)
    number |= std::uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return number;
}

}  // namespace

void add_receipt(std::string& receipts, std::uint64_t seq, std::string_view receipt) {
  put(receipts, seq, 8);
  put(receipts, receipt.size(), 4);
  receipts.append(receipt);
}

Result<void> read_receipts(std::uint64_t last, std::int64_t wall_ms, std::string_view receipts,
                           std::vector<Receipt>& to) {
  const auto damage = [](std::size_t byte, const std::string& what) {
    return Error{ErrorCode::kInternal, fmt::format("byte {}: {}", byte, what)};
  };
  std::vector<Receipt> all;
  std::uint64_t before = 0;
  for (std::size_t byte = 0; byte < receipts.size();) {
    const std::size_t left = receipts.size() - byte;
    if (left < kHead) return damage(byte, fmt::format("{} bytes are left over", left));
    const std::uint64_t seq = number_at(receipts, byte, 8);
    const std::uint64_t size = number_at(receipts, byte + 8, 4);
    if (seq <= before || seq > last)
      return damage(byte, fmt::format("a receipt of op {} after that of op {}", seq, before));
    if (size > left - kHead)
      return damage(byte, fmt::format("the receipt has {} bytes, {} are left", size, left - kHead));
    all.push_back({seq, wall_ms, std::string(receipts.substr(byte + kHead, static_cast<std::size_t>(size)))});
    byte += kHead + all.back().bytes.size();
    before = seq;
  }
  if (receipts.empty() || before != last)
    return damage(receipts.size(), fmt::format("they end with that of op {}, not of op {}", before, last));
  std::ranges::move(all, std::back_inserter(to));
  return {};
}

std::uint32_t receipts_checksum(std::uint64_t last, std::int64_t wall_ms, std::string_view receipts) {
  std::string numbers;
  put(numbers, last, 8);
  put(numbers, static_cast<std::uint64_t>(wall_ms), 8);
  return crc32c(receipts, crc32c(numbers));
}

}  // namespace forebay::journal
