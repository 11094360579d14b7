#include "memory/arena/slabs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "memory/tier_fixture.h"

namespace forebay::memory {
namespace {

// Blocks as an owner holds them: each begins with its index in the list, so that a moved one is found, and is
// filled with a pattern of its own.
class Owner {
 public:
  struct Block {
    std::uint8_t* place;
    std::size_t bytes;
    std::uint8_t mark;
  };

  explicit Owner(unsigned seed = 1) : random_(seed) {}

  void add(std::size_t bytes) {
    auto* const place = static_cast<std::uint8_t*>(slabs.allocate(bytes));
    ASSERT_NE(place, nullptr);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(place) % 8, 0u);
    const Block block{place, bytes, static_cast<std::uint8_t>(random_())};
    write(block, blocks.size());
    blocks.push_back(block);
    rounded += Slabs::rounded(bytes);
  }

  void drop(std::size_t index) {
    const Block block = blocks[index];
    check(block, index);
    slabs.free(block.place, block.bytes);
    rounded -= Slabs::rounded(block.bytes);
    blocks[index] = blocks.back();
    blocks.pop_back();
    if (index < blocks.size()) write(blocks[index], index);
  }

  // `stays` of 100 blocks refuse to be moved.
  std::size_t compact(std::size_t most, unsigned stays = 0) {
    std::size_t tried = 0;
    const std::size_t moved = slabs.compact(most, [&](void* from, void* to, std::size_t bytes) {
      ++tried;
      std::uint32_t index;
      std::memcpy(&index, from, sizeof(index));
      EXPECT_LT(index, blocks.size());
      Block& block = blocks[index];
      EXPECT_EQ(block.place, from);
      EXPECT_EQ(bytes, Slabs::rounded(block.bytes));
      if (random_() % 100 < stays) return false;
      std::memcpy(to, from, bytes);
      block.place = static_cast<std::uint8_t*>(to);
      return true;
    });
    EXPECT_LE(moved, tried);
    EXPECT_LE(tried, most);
    return moved;
  }

  void check_all() {
    for (std::size_t i = 0; i < blocks.size(); ++i) check(blocks[i], i);
    ASSERT_EQ(slabs.allocated(), rounded);
    ASSERT_GE(slabs.held(), slabs.allocated());
  }

  std::size_t any() { return random_() % blocks.size(); }

  Slabs slabs;
  std::vector<Block> blocks;
  std::size_t rounded = 0;

 private:
  static void write(const Block& block, std::size_t index) {
    const auto word = static_cast<std::uint32_t>(index);
    std::memset(block.place, block.mark, block.bytes);
    std::memcpy(block.place, &word, std::min(sizeof(word), block.bytes));
  }
  static void check(const Block& block, std::size_t index) {
    std::uint32_t word;
    std::memcpy(&word, block.place, sizeof(word));
    ASSERT_EQ(word, index);
    for (std::size_t i = sizeof(word); i < block.bytes; ++i) ASSERT_EQ(block.place[i], block.mark);
  }

  std::mt19937 random_;
};

std::size_t log_uniform(std::mt19937& random, double least, double most) {
  return static_cast<std::size_t>(least * std::pow(most / least, std::uniform_real_distribution<>()(random)));
}

TEST(Slabs, SizesAreRoundedUpByAtMostAnEighth) {
  std::size_t before = 0;
  for (std::size_t bytes = 1; bytes <= Slabs::kLargest; ++bytes) {
    const std::size_t rounded = Slabs::rounded(bytes);
    ASSERT_GE(rounded, bytes);
    ASSERT_LE(rounded, bytes + std::max<std::size_t>(7, bytes / 8));
    if (bytes <= 512) {
      ASSERT_EQ(rounded, (bytes + 7) / 8 * 8);
    }
    ASSERT_EQ(rounded % 8, 0u);
    ASSERT_GE(rounded, before);
    ASSERT_EQ(Slabs::rounded(rounded), rounded);
    before = rounded;
  }
}

TEST(Slabs, EverySizeCanBeHadAndIsItsOwn) {
  Owner owner;
  for (std::size_t bytes = 4; bytes <= Slabs::kLargest; bytes += bytes < 2000 ? 1 : 101) owner.add(bytes);
  owner.check_all();
  while (!owner.blocks.empty()) owner.drop(owner.any());
  EXPECT_EQ(owner.slabs.allocated(), 0u);
  EXPECT_EQ(owner.slabs.held(), 0u);
}

// Against a plain list, in phases that grow, churn and shrink, with compaction in between.
TEST(Slabs, RandomOperationsKeepEveryBlock) {
  const std::size_t before = Cage::taken();
  {
    Owner owner;
    std::mt19937 random(2);
    const int steps = kSanitized ? 50'000 : 1'000'000;
    double least = 4;
    double most = 5000;
    std::size_t target = 0;
    for (int step = 0; step < steps; ++step) {
      if (step % (steps / 20) == 0) {
        target = random() % 20'000;
        least = random() % 2 == 0 ? 4 : 200;
        most = random() % 2 == 0 ? 300 : random() % 4 == 0 ? 10'000 : 2'000;
        ASSERT_NO_FATAL_FAILURE(owner.check_all());
      }
      const bool grow = owner.blocks.size() < target ? random() % 4 != 0 : random() % 4 == 0;
      if (grow || owner.blocks.empty()) {
        ASSERT_NO_FATAL_FAILURE(owner.add(log_uniform(random, least, most)));
      } else {
        ASSERT_NO_FATAL_FAILURE(owner.drop(owner.any()));
      }
      if (step % 64 == 0 && owner.slabs.sparse()) owner.compact(random() % 200, random() % 3 == 0 ? 30 : 0);
      ASSERT_EQ(owner.slabs.allocated(), owner.rounded);
    }
    ASSERT_NO_FATAL_FAILURE(owner.check_all());
    EXPECT_EQ(Cage::taken() - before, owner.slabs.held());
    while (!owner.blocks.empty()) owner.drop(owner.any());
    EXPECT_EQ(owner.slabs.held(), 0u);
  }
  EXPECT_EQ(Cage::taken(), before);
}

// Sizes that were written go one by one and others come: every span keeps some of the old, which is what
// defeats an allocator that can't move.
TEST(Slabs, CompactionKeepsDriftingSizesDense) {
  Owner owner;
  std::mt19937 random(3);
  const std::size_t bytes = std::size_t{kSanitized ? 1u : 8u} << 20;
  for (const auto& [least, most] :
       {std::pair{10., 100.}, {50., 500.}, {400., 4000.}, {10., 4000.}, {8., 24.}}) {
    std::size_t written = 0;
    while (written < 2 * bytes) {
      const std::size_t size = std::max<std::size_t>(4, log_uniform(random, least, most));
      owner.add(size);
      written += size;
      while (owner.rounded > bytes) owner.drop(owner.any());
      if (written % 8 == 0) owner.compact(4);
    }
    const std::size_t sparse = owner.slabs.held();
    while (owner.slabs.sparse() && owner.compact(1000) > 0) {
    }
    EXPECT_FALSE(owner.slabs.sparse());
    EXPECT_LE(owner.slabs.held(), sparse);
    EXPECT_LE(static_cast<double>(owner.slabs.held()),
              1.06 * static_cast<double>(owner.slabs.allocated()) + (384 << 10))
        << "values of " << least << " to " << most << " bytes";
  }
  owner.check_all();
}

TEST(Slabs, WithoutDriftThereIsLittleToCompact) {
  Owner owner;
  const std::size_t count = kSanitized ? 10'000 : 100'000;
  for (std::size_t i = 0; i < count; ++i) owner.add(118);
  EXPECT_LE(owner.slabs.held(), owner.slabs.allocated() + owner.slabs.allocated() / 50);
  for (std::size_t i = 0; i < 3 * count; ++i) {
    owner.drop(owner.any());
    owner.add(118);
  }
  EXPECT_FALSE(owner.slabs.sparse());
  EXPECT_EQ(owner.compact(1000), 0u);
}

TEST(Slabs, ASpanLooksForItsPlaceByFullness) {
  // Half of all spans lose most of their blocks; what comes next goes to the fuller half, so that the rest of
  // the emptier half can go and does take its spans along.
  Owner owner;
  constexpr std::size_t kBytes = 256;
  for (int i = 0; i < 20'000; ++i) owner.add(kBytes);
  const auto span_of = [](const void* place) { return Cage::tag(place); };
  const auto sparse_span = [&](const void* place) { return span_of(place) % 2 == 0; };
  for (std::size_t i = owner.blocks.size(); i-- > 0;) {
    if (owner.any() % 100 < (sparse_span(owner.blocks[i].place) ? 90 : 20)) owner.drop(i);
  }
  std::size_t in_sparse = 0;
  const std::size_t old = owner.blocks.size();
  for (int i = 0; i < 1000; ++i) owner.add(kBytes);
  for (std::size_t i = old; i < owner.blocks.size(); ++i) {
    in_sparse += sparse_span(owner.blocks[i].place) ? 1 : 0;
  }
  EXPECT_LT(in_sparse, 20u);
}

TEST(Slabs, BlocksThatMayNotMoveStayAndTheRestGoesOn) {
  Owner owner;
  for (int i = 0; i < 20'000; ++i) owner.add(100);
  while (owner.blocks.size() > 5'000) owner.drop(owner.any());
  EXPECT_TRUE(owner.slabs.sparse());
  EXPECT_EQ(owner.compact(10'000, 100), 0u);
  owner.check_all();
  for (int i = 0; i < 1000 && owner.slabs.sparse(); ++i) owner.compact(100, 20);
  EXPECT_FALSE(owner.slabs.sparse());
  owner.check_all();
}

TEST(Slabs, EverythingIsGivenBackWhateverLivesThere) {
  const std::size_t before = Cage::taken();
  {
    Slabs one;
    void* const block = one.allocate(100);
    std::memset(block, 'x', 100);
    for (int i = 0; i < 1000; ++i) ASSERT_NE(one.allocate(1000), nullptr);
    EXPECT_GT(Cage::taken(), before);
    Slabs two(std::move(one));
    EXPECT_EQ(static_cast<char*>(block)[99], 'x');
    EXPECT_EQ(Cage::taken() - before, two.held());
    Slabs three;
    ASSERT_NE(three.allocate(1), nullptr);
    three = std::move(two);
    EXPECT_EQ(static_cast<char*>(block)[99], 'x');
    EXPECT_EQ(Cage::taken() - before, three.held());
    three.free(block, 100);
  }
  EXPECT_EQ(Cage::taken(), before);
}

TEST(Slabs, IsTakenApartInSteps) {
  const std::size_t before = Cage::taken();
  Slabs slabs;
  std::vector<void*> freed;
  for (int i = 0; i < 10'000; ++i) {
    void* const block = slabs.allocate(1000);
    if (i < 1000) freed.push_back(block);
  }
  for (void* const each : freed) slabs.free(each, 1000);
  int steps = 0;
  std::size_t held = slabs.held();
  while (slabs.discard(10) > 0) {
    ++steps;
    EXPECT_LE(held - slabs.held(), 10 * 64 * 1024u);
    held = slabs.held();
  }
  EXPECT_GT(steps, 20);
  EXPECT_EQ(slabs.held(), 0u);
  EXPECT_EQ(Cage::taken(), before);
}

}  // namespace
}  // namespace forebay::memory
