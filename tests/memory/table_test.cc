#include "memory/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/hash.h"

namespace forebay::memory {
namespace {

class TableTest : public testing::Test {
 protected:
  ~TableTest() override {
    for (Entry* const entry : entries_) Entry::destroy(slabs_, entry);
  }

  // A new entry in the bucket that hashes with these lowest 16 bits belong to.
  Entry& add_in_bucket(std::uint64_t bits) {
    for (;; ++tried_) {
      const std::string key = "key" + std::to_string(tried_);
      if ((hash_bytes(key) & 0xffff) != bits) continue;
      ++tried_;
      return add(key);
    }
  }
  Entry& add(const std::string& key) {
    Entry* const entry = Entry::make(slabs_, key, {"value", nullptr}, {}, TimeBase(Instant{}));
    entries_.push_back(entry);
    table_.insert(*entry, hash_bytes(key));
    return *entry;
  }
  void erase(Entry& entry) {
    table_.erase(entry, hash_bytes(entry.key()));
    std::erase(entries_, &entry);
    Entry::destroy(slabs_, &entry);
  }
  // Of this test's interest, in the order in which a lookup passes them.
  std::vector<const Entry*> passed(std::uint64_t bits, const std::vector<const Entry*>& interest) const {
    std::vector<const Entry*> order;
    for (std::size_t i = 0; i < table_.chains(); ++i) {
      for (const Entry* each = table_.chain(i); each != nullptr; each = Table::next(*each)) {
        if ((hash_bytes(each->key()) & 0xffff) == bits && std::ranges::find(interest, each) != interest.end())
          order.push_back(each);
      }
    }
    return order;
  }

  Slabs slabs_;
  Table table_;
  std::vector<Entry*> entries_;
  std::uint64_t tried_ = 0;
};

TEST_F(TableTest, WhatCameFirstIsFoundFirstThroughGrowingAndShrinking) {
  constexpr std::uint64_t kBits = 0x1234;
  std::vector<const Entry*> mine;
  for (int i = 0; i < 3; ++i) mine.push_back(&add_in_bucket(kBits));
  EXPECT_EQ(passed(kBits, mine), mine);
  std::vector<Entry*> others;
  for (int i = 0; i < 1000; ++i) others.push_back(&add("other" + std::to_string(i)));
  while (table_.rehash(16) != 0) {
  }
  ASSERT_GT(table_.chains(), 512u);
  EXPECT_EQ(passed(kBits, mine), mine);
  for (Entry* const other : others) erase(*other);
  while (table_.rehash(16) != 0) {
  }
  ASSERT_EQ(table_.chains(), 16u);
  EXPECT_EQ(passed(kBits, mine), mine);
}

}  // namespace
}  // namespace forebay::memory
