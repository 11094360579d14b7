#include "base/hyperloglog.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace forebay {
namespace {

constexpr std::string_view kMagic = "HYLL";
constexpr std::size_t kHead = 16;
constexpr std::size_t kEncodingAt = 4;
constexpr std::size_t kEstimateAt = 8;
constexpr char kDense = 0;
constexpr char kSparse = 1;
constexpr std::uint64_t kOutOfDate = std::uint64_t{1} << 63;
constexpr std::size_t kMostSparse = 3000;
constexpr unsigned kRegisterBits = 6;
constexpr unsigned kRegisterMask = (1u << kRegisterBits) - 1;
constexpr unsigned kHashBits = 64 - HyperLogLog::kIndexBits;  // those that a register counts zeros of
// Of the sparse form.
constexpr unsigned kLargestSparse = 32;
constexpr std::size_t kLongestShortZeros = 64;
constexpr std::size_t kLongestValues = 4;

std::uint64_t murmur64a(std::string_view text) {
  constexpr std::uint64_t kSeed = 0xadc83b19;  // Redis's
  constexpr std::uint64_t kFactor = 0xc6a4a7935bd1e995;
  constexpr unsigned kShift = 47;
  const auto mix = [](std::uint64_t word) {
    word *= kFactor;
    word ^= word >> kShift;
    return word * kFactor;
  };
  std::uint64_t hash = kSeed ^ (text.size() * kFactor);
  for (; text.size() >= sizeof(std::uint64_t); text.remove_prefix(sizeof(std::uint64_t))) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), sizeof(word));
    hash = (hash ^ mix(word)) * kFactor;
  }
  if (!text.empty()) {
    std::uint64_t rest = 0;
    std::memcpy(&rest, text.data(), text.size());
    hash = (hash ^ rest) * kFactor;
  }
  hash ^= hash >> kShift;
  hash *= kFactor;
  return hash ^ (hash >> kShift);
}

// Ertl's sums over what registers of 0, and those that are full, stand for.
double sigma(double x) {
  if (x == 1) return std::numeric_limits<double>::infinity();
  double y = 1;
  double sum = x;
  for (double before = -1; before != sum;) {
    x *= x;
    before = sum;
    sum += x * y;
    y += y;
  }
  return sum;
}

double tau(double x) {
  if (x == 0 || x == 1) return 0;
  double y = 1;
  double sum = 1 - x;
  for (double before = -1; before != sum;) {
    x = std::sqrt(x);
    before = sum;
    y *= 0.5;
    sum -= (1 - x) * (1 - x) * y;
  }
  return sum / 3;
}

using Registers = std::array<std::uint8_t, HyperLogLog::kRegisters>;

void read_dense(std::string_view packed, Registers& registers) {
  for (std::size_t i = 0; i < registers.size(); ++i) {
    const std::size_t bit = i * kRegisterBits;
    unsigned two = static_cast<unsigned char>(packed[bit / 8]);
    if (bit / 8 + 1 < packed.size()) two |= unsigned{static_cast<unsigned char>(packed[bit / 8 + 1])} << 8;
    registers[i] = static_cast<std::uint8_t>(two >> (bit % 8) & kRegisterMask);
  }
}

void append_dense(std::string& out, const Registers& registers) {
  unsigned pending = 0;
  unsigned bits = 0;
  for (const std::uint8_t value : registers) {
    pending |= unsigned{value} << bits;
    for (bits += kRegisterBits; bits >= 8; bits -= 8) {
      out.push_back(static_cast<char>(pending & 0xff));
      pending >>= 8;
    }
  }
}

struct Run {
  std::size_t length = 0;
  std::uint8_t value = 0;
};

// Takes the first run off. Nothing: it is cut off.
std::optional<Run> take_run(std::string_view& packed) {
  const auto first = static_cast<unsigned char>(packed[0]);
  packed.remove_prefix(1);
  if ((first & 0x80) != 0) {
    const unsigned value = ((first >> 2) & 0x1f) + 1;
    return Run{(first & 3u) + 1, static_cast<std::uint8_t>(value)};
  }
  std::size_t length = first & 0x3f;
  if ((first & 0x40) != 0) {
    if (packed.empty()) return std::nullopt;
    length = length << 8 | static_cast<unsigned char>(packed[0]);
    packed.remove_prefix(1);
  }
  return Run{length + 1, 0};
}

// False: it is corrupt.
bool read_sparse(std::string_view packed, Registers& registers) {
  std::size_t at = 0;
  while (!packed.empty()) {
    const auto run = take_run(packed);
    if (!run || run->length > registers.size() - at) return false;
    std::fill_n(registers.begin() + static_cast<std::ptrdiff_t>(at), run->length, run->value);
    at += run->length;
  }
  return at == registers.size();
}

void append_zeros(std::string& out, std::size_t length) {
  const std::size_t count = length - 1;
  if (length > kLongestShortZeros) out.push_back(static_cast<char>(0x40 | count >> 8));
  out.push_back(static_cast<char>(count & 0xff));
}

void append_values(std::string& out, std::uint8_t value, std::size_t length) {
  while (length != 0) {
    const std::size_t part = std::min(length, kLongestValues);
    out.push_back(static_cast<char>(0x80 | (value - 1u) << 2 | (part - 1)));
    length -= part;
  }
}

// False: it has no such form that is short enough.
bool append_sparse(std::string& out, const Registers& registers) {
  for (auto at = registers.begin(); at != registers.end();) {
    const std::uint8_t value = *at;
    if (value > kLargestSparse) return false;
    const auto end = std::find_if(at, registers.end(), [&](std::uint8_t other) { return other != value; });
    const auto length = static_cast<std::size_t>(end - at);
    if (value == 0) {
      append_zeros(out, length);
    } else {
      append_values(out, value, length);
    }
    if (out.size() > kMostSparse) return false;
    at = end;
  }
  return true;
}

}  // namespace

bool HyperLogLog::is_one(std::string_view bytes) {
  if (bytes.size() < kHead || !bytes.starts_with(kMagic)) return false;
  return bytes[kEncodingAt] == kSparse || (bytes[kEncodingAt] == kDense && bytes.size() == kDenseBytes);
}

std::optional<HyperLogLog> HyperLogLog::read(std::string_view bytes) {
  HyperLogLog read;
  read.dense_ = bytes[kEncodingAt] == kDense;
  bytes.remove_prefix(kHead);
  if (read.dense_) {
    read_dense(bytes, read.registers_);
  } else if (!read_sparse(bytes, read.registers_)) {
    return std::nullopt;
  }
  return read;
}

std::optional<std::uint64_t> HyperLogLog::last_estimate(std::string_view bytes) {
  std::uint64_t estimate = 0;
  std::memcpy(&estimate, bytes.data() + kEstimateAt, sizeof(estimate));
  return (estimate & kOutOfDate) != 0 ? std::nullopt : std::optional(estimate);
}

bool HyperLogLog::add(std::string_view text) {
  const std::uint64_t hash = murmur64a(text);
  const std::uint64_t rest = hash >> kIndexBits | std::uint64_t{1} << kHashBits;
  const auto value = static_cast<std::uint8_t>(std::countr_zero(rest) + 1);
  std::uint8_t& at = registers_[hash % kRegisters];
  if (value <= at) return false;
  at = value;
  return true;
}

void HyperLogLog::merge(const HyperLogLog& other) {
  dense_ = dense_ || other.dense_;
  for (std::size_t i = 0; i < kRegisters; ++i) registers_[i] = std::max(registers_[i], other.registers_[i]);
}

std::uint64_t HyperLogLog::estimate() const {
  constexpr double kAlpha = 0.721347520444481703680;  // 1 / (2 ln 2)
  constexpr double kCount = kRegisters;
  std::array<int, kRegisterMask + 1> with{};  // how many registers have each value
  for (const std::uint8_t value : registers_) ++with[value];
  double sum = kCount * tau((kCount - with[kHashBits + 1]) / kCount);
  for (unsigned value = kHashBits; value != 0; --value) sum = 0.5 * (sum + with[value]);
  sum += kCount * sigma(with[0] / kCount);
  return static_cast<std::uint64_t>(std::llround(kAlpha * kCount * kCount / sum));
}

std::string HyperLogLog::bytes() const {
  std::string out(kMagic);
  out.resize(kHead, '\0');
  std::memcpy(out.data() + kEstimateAt, &kOutOfDate, sizeof(kOutOfDate));
  out[kEncodingAt] = kSparse;
  if (!dense_ && append_sparse(out, registers_)) return out;
  out.resize(kHead);
  out.reserve(kDenseBytes);
  out[kEncodingAt] = kDense;
  append_dense(out, registers_);
  return out;
}

}  // namespace forebay
