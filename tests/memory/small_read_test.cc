#include "memory/small_read.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "forebay/clock.h"
#include "memory/tier.h"

namespace forebay::memory {
namespace {

std::string text_of(std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>('a' + (i * 7 + bytes) % 26);
  return text;
}

// Around the lengths that are small, with and without an expiry: what was put is what is found.
TEST(SmallRead, KeysAndValuesOfAllLengths) {
  const auto tier = std::move(*Tier::open({}, system_clock()));
  const Instant now = system_clock().now();
  for (const bool expires : {false, true}) {
    for (std::size_t key_bytes = 0; key_bytes <= 33; ++key_bytes) {
      for (const std::size_t value_bytes : {0, 1, 7, 8, 9, 15, 16, 17, 31, 64, 250, 255, 256, 300}) {
        const std::string key = text_of(key_bytes);
        const std::string value = text_of(value_bytes);
        Stamp stamp;
        if (expires) stamp.expires = now + std::chrono::hours(1);
        ASSERT_EQ(tier->put(key, value, stamp, now), PutOutcome::kStored);
        std::string seen = "nothing";
        Instant until{};
        ASSERT_TRUE(tier->find(key, now, [&](const EntryView& entry) {
          EXPECT_EQ(entry.key(), key);
          seen = entry.bytes();
          until = entry.stamp().expires;
        }));
        EXPECT_EQ(seen, value) << key_bytes << ' ' << value_bytes;
        EXPECT_EQ(until != kNever, expires);
        tier->erase(key, now, Departure::kInvalidated);
      }
    }
  }
}

template <std::size_t kAt>
void check_keys() {
  for (std::size_t bytes = 0; bytes <= 31; ++bytes) {
    const std::string key = text_of(bytes);
    alignas(std::uint64_t) std::array<char, 128> entry;
    entry.fill('#');
    std::memcpy(entry.data() + kAt, key.data(), bytes);
    const auto matches = [&] {
      std::uint32_t shape;
      std::memcpy(&shape, entry.data() + 20, sizeof(shape));
      return SmallRead::is_key<kAt>(reinterpret_cast<const std::uint64_t*>(entry.data()), shape, key);
    };
    EXPECT_TRUE(matches()) << bytes;
    for (std::size_t i = 0; i < bytes; ++i) {
      entry[kAt + i] ^= 0x40;
      EXPECT_FALSE(matches()) << bytes << ' ' << i;
      entry[kAt + i] ^= 0x40;
    }
  }
}

TEST(SmallRead, AKeyThatDiffersInOneByteIsAnother) {
  check_keys<22>();
  check_keys<34>();
}

}  // namespace
}  // namespace forebay::memory
