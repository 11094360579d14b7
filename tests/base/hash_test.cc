#include "base/hash.h"

#include <gtest/gtest.h>

#include "base/hash_inline.h"

namespace forebay {
namespace {

// As early as static initialisation gets in a program.
struct Early {
  Early() : of_text(hash_bytes("a text of more than sixteen bytes")), of_key(hash_key("key")) {}
  std::uint64_t of_text, of_key;
};
[[gnu::init_priority(102)]] const Early early;

TEST(Hash, IsTheSameInStaticInitialisers) {
  EXPECT_EQ(early.of_text, hash_bytes("a text of more than sixteen bytes"));
  EXPECT_EQ(early.of_key, hash_bytes("key"));
}

TEST(Hash, FollowsTheSeed) {
  seed_hashes(1);
  const std::uint64_t one = hash_bytes("key");
  seed_hashes(2);
  EXPECT_NE(hash_bytes("key"), one);
  EXPECT_EQ(hash_key("key"), hash_bytes("key"));
  seed_hashes(1);
  EXPECT_EQ(hash_bytes("key"), one);
}

}  // namespace
}  // namespace forebay
