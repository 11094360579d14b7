#include "memory/collection/collection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "memory/collection/fields.h"
#include "memory/collection/ranking.h"
#include "memory/collection/sequence.h"

namespace forebay::memory {
namespace {

std::string text_of(Item item) {
  ItemDigits digits;
  return std::string(item.text(digits));
}

// A collection as an entry keeps it: each edit begins with the entry's bytes and ends with new ones, as in the
// tier.
class Kept {
 public:
  explicit Kept(CollectionKind kind) : kind_(kind) {}
  ~Kept() {
    auto trees = Collection::trees_of(bytes_);
    for (TreeRoot& root : trees) {
      while (Tree::free_some(memory_, root)) {
      }
    }
    EXPECT_EQ(memory_.allocated(), 0u) << "nodes were left behind";
  }

  template <class Edit>
  auto edit(Edit edit) {
    Collection all(bytes_, memory_);
    if (!all.exists()) all.begin(kind_);
    auto answer = edit(all);
    std::string fresh(all.bytes());
    EXPECT_TRUE(all.edited() || fresh == bytes_ || bytes_.empty());
    bytes_ = std::move(fresh);
    EXPECT_EQ(Collection::node_bytes(bytes_), memory_.allocated());
    return answer;
  }
  template <class Read>
  auto read(Read read) const {
    Collection all(bytes_);
    return read(all);
  }
  bool is_large() const { return Collection::is_large(bytes_); }
  std::size_t bytes() const { return bytes_.size() + memory_.allocated(); }
  const std::string& raw() const { return bytes_; }
  NodeMemory& memory() { return memory_; }

 private:
  CollectionKind kind_;
  NodeMemory memory_;
  std::string bytes_;
};

class Texts {
 public:
  explicit Texts(unsigned seed) : random_(seed) {}
  std::uint64_t below(std::uint64_t most) { return random_() % most; }
  // Numbers, short texts, and now and then one that no leaf holds.
  std::string field(std::uint64_t different) {
    const std::uint64_t which = below(different);
    switch (which % 4) {
      case 0:
        return std::to_string(which);
      case 1:
        return "-" + std::to_string(which * 1'000'003);
      case 2:
        return "field:" + std::to_string(which);
      default:
        return std::string(which % 7 == 0 ? 600 : 20, static_cast<char>('a' + which % 26)) +
               std::to_string(which);
    }
  }
  std::string value() {
    const std::uint64_t size = below(50) == 0 ? below(3000) : below(40);
    return std::string(size, static_cast<char>(below(256))) + std::to_string(below(100));
  }

 private:
  std::mt19937_64 random_;
};

TEST(Item, KeepsEveryTextAndTheSameOneInTheSameBytes) {
  const std::vector<std::string> texts = {"",
                                          "a",
                                          "0",
                                          "1",
                                          "31",
                                          "32",
                                          "-1",
                                          "127",
                                          "128",
                                          "-128",
                                          "-129",
                                          "255",
                                          "256",
                                          "65535",
                                          "-0",
                                          "00",
                                          "01",
                                          "+1",
                                          "9223372036854775807",
                                          "-9223372036854775808",
                                          "9223372036854775808",
                                          "1.5",
                                          " 1",
                                          "1 ",
                                          "-",
                                          "2147483648",
                                          std::string(191, 'x'),
                                          std::string(192, 'x'),
                                          std::string(65535, 'x'),
                                          std::string(65536, 'x'),
                                          std::string("\0\xff", 2)};
  for (const std::string& text : texts) {
    std::string bytes;
    Packed(text).append_to(bytes);
    const Item item(bytes.data());
    EXPECT_EQ(item.size(), bytes.size());
    EXPECT_EQ(text_of(item), text);
    EXPECT_EQ(item.text_bytes(), text.size());
    EXPECT_EQ(item.order(), Packed(text).order());
    for (const std::string& other : texts) EXPECT_EQ(Packed(other).is(bytes.data()), other == text);
  }
}

TEST(Item, KeepsEveryScore) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double score :
       {0.0, -0.0, 1.0, -1.0, 0.1, 1e300, -1e-300, 9007199254740993.0, 1e17, kInfinity, -kInfinity}) {
    std::string bytes;
    Packed::score(score).append_to(bytes);
    EXPECT_EQ(Item(bytes.data()).score(), score);
    EXPECT_EQ(std::signbit(Item(bytes.data()).score()), score < 0) << "-0 is kept as 0";
    EXPECT_EQ(Item(bytes.data()).size(), bytes.size());
  }
  EXPECT_LT(score_order(-kInfinity), score_order(-1));
  EXPECT_LT(score_order(-1), score_order(0));
  EXPECT_EQ(score_order(-0.0), score_order(0));
  EXPECT_LT(score_order(0), score_order(1e-300));
}

class Grown : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(Grown, AHashIsWhatAMapIs) {
  Texts texts(1);
  Kept hash(CollectionKind::kHash);
  std::map<std::string, std::string> model;
  for (int round = 0; round < 20'000; ++round) {
    const std::string field = texts.field(GetParam());
    // Grows for a while, and then shrinks until nothing is left.
    if (texts.below(10) < (round / 5'000 % 2 == 0 ? 8u : 2u)) {
      const std::string value = texts.value();
      EXPECT_EQ(hash.edit([&](Collection& all) { return Fields(all).put(field, value); }),
                model.insert_or_assign(field, value).second);
    } else {
      EXPECT_EQ(hash.edit([&](Collection& all) { return Fields(all).erase(field); }),
                model.erase(field) == 1);
    }
    const std::string asked = texts.field(GetParam());
    hash.read([&](Collection& all) {
      const auto found = Fields(all).value(asked);
      const auto wanted = model.find(asked);
      ASSERT_EQ(found.has_value(), wanted != model.end());
      if (!found) return;
      ASSERT_EQ(text_of(*found), wanted->second);
    });
    ASSERT_EQ(hash.read([](Collection& all) { return all.size(); }), model.size());
    if (round % 1'000 != 0) continue;
    std::map<std::string, std::string> seen;
    hash.read([&](Collection& all) {
      Fields(all).visit([&](Item item) {
        EXPECT_TRUE(seen.emplace(text_of(item), text_of(Item(item.end()))).second);
        return true;
      });
    });
    ASSERT_EQ(seen, model);
  }
}

// A field's value, and when it ends.
using Ending = std::pair<std::string, std::optional<std::int64_t>>;

void compare(const Kept& hash, const std::map<std::string, Ending>& model) {
  std::optional<std::int64_t> first;
  for (const auto& [field, ending] : model) {
    if (ending.second && (!first || *ending.second < *first)) first = ending.second;
  }
  hash.read([&](Collection& all) {
    const Fields fields(all);
    std::map<std::string, Ending> seen;
    fields.visit([&](Item field) {
      const std::string name = text_of(field);
      seen.emplace(name, Ending(text_of(Fields::value_of(field)), fields.until(name)));
      return true;
    });
    ASSERT_EQ(seen, model);
    ASSERT_EQ(fields.first_end(), first);
  });
}

TEST_P(Grown, AHashsFieldsEndWhenTheyAreToldTo) {
  Texts texts(7);
  Kept hash(CollectionKind::kHash);
  std::map<std::string, Ending> model;
  std::int64_t now = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::string field = texts.field(GetParam());
    const bool grows = round / 5'000 % 2 == 0;
    const std::uint64_t which = texts.below(10);
    if (which < (grows ? 4u : 1u)) {
      const std::string value = texts.value();
      const bool keeps = texts.below(2) == 0;
      hash.edit([&](Collection& all) {
        return Fields(all).put(field, value, keeps ? Fields::Ends::kKept : Fields::Ends::kForgotten);
      });
      const auto before = model.find(field);
      const auto kept = keeps && before != model.end() ? before->second.second : std::nullopt;
      model.insert_or_assign(field, Ending(value, kept));
    } else if (which < (grows ? 5u : 4u)) {
      EXPECT_EQ(hash.edit([&](Collection& all) { return Fields(all).erase(field); }),
                model.erase(field) == 1);
    } else if (which < 9) {
      const auto found = model.find(field);
      if (found == model.end()) continue;
      // Many at the same moment, some far away, some never.
      std::optional<std::int64_t> until = now + 1 + static_cast<std::int64_t>(texts.below(50));
      if (texts.below(10) == 0) until = (std::int64_t{1} << 46) - 1;
      if (texts.below(5) == 0) until.reset();
      hash.edit([&](Collection& all) { return Fields(all).set_until(field, until), true; });
      found->second.second = until;
    } else {
      now += static_cast<std::int64_t>(texts.below(6));
      const auto erased = std::erase_if(
          model, [&](const auto& one) { return one.second.second && *one.second.second <= now; });
      EXPECT_EQ(hash.edit([&](Collection& all) {
        return Fields(all).erase_ended(now, std::numeric_limits<std::size_t>::max());
      }),
                erased);
    }
    ASSERT_EQ(hash.read([](Collection& all) { return all.size(); }), model.size());
    if (round % 500 == 0) compare(hash, model);
    if (HasFatalFailure()) return;
  }
}

TEST(Collection, FieldsThatStayTakeNoByteMore) {
  Kept plain(CollectionKind::kHash);
  Kept ended(CollectionKind::kHash);
  for (Kept* hash : {&plain, &ended}) {
    for (int i = 0; i < 1'000; ++i) {
      const std::string field = "field:" + std::to_string(i);
      hash->edit([&](Collection& all) { return Fields(all).put(field, "value"); });
      if (i != 10 && i != 900) continue;
      if (hash == &plain) continue;
      hash->edit([&](Collection& all) { return Fields(all).set_until(field, 5), true; });
      EXPECT_GT(ended.bytes(), plain.bytes() == 0 ? 0 : 7);
      hash->edit([&](Collection& all) { return Fields(all).set_until(field, std::nullopt), true; });
    }
  }
  EXPECT_EQ(plain.bytes(), ended.bytes());
}

TEST(Collection, OnlySoManyFieldsThatHaveEndedAreErasedAtOnce) {
  for (const int fields : {20, 2'000}) {
    Kept hash(CollectionKind::kHash);
    for (int i = 0; i < fields; ++i) {
      const std::string field = "field:" + std::to_string(i);
      hash.edit([&](Collection& all) { return Fields(all).put(field, "value"); });
      hash.edit([&](Collection& all) { return Fields(all).set_until(field, 100 - i % 2), true; });
    }
    const auto erase = [&](std::int64_t now) {
      return hash.edit([&](Collection& all) { return Fields(all).erase_ended(now, 15); });
    };
    EXPECT_EQ(erase(98), 0u);
    EXPECT_EQ(erase(99), std::min(15u, static_cast<unsigned>(fields) / 2));
    EXPECT_EQ(hash.read([](Collection& all) { return Fields(all).first_end(); }), fields == 20 ? 100 : 99);
    while (erase(100) != 0) {
    }
    EXPECT_EQ(hash.read([](Collection& all) { return all.size(); }), 0u);
  }
}

TEST_P(Grown, AWalkShowsAllThatStays) {
  Texts texts(2);
  Kept set(CollectionKind::kSet);
  std::set<std::string> model;
  const auto add = [&] {
    const std::string member = texts.field(GetParam());
    set.edit([&](Collection& all) { return Fields(all).add(member); });
    model.insert(member);
  };
  for (std::uint64_t i = 0; i < GetParam(); ++i) add();
  std::set<std::string> stays;
  for (const std::string& member : model) {
    if (texts.below(2) != 0) stays.insert(member);
  }
  std::set<std::string> seen;
  std::uint64_t cursor = 0;
  do {
    set.read([&](Collection& all) {
      cursor = Fields(all).scan(cursor, 7, [&](Item member) { seen.insert(text_of(member)); });
    });
    EXPECT_LT(cursor, std::uint64_t{1} << 53) << "clients keep cursors as numbers with a fraction";
    for (int i = 0; i < 20; ++i) {
      const std::string member = texts.field(GetParam());
      if (stays.contains(member)) continue;
      set.edit([&](Collection& all) {
        return texts.below(2) != 0 ? Fields(all).add(member) : Fields(all).erase(member);
      });
    }
  } while (cursor != 0);
  for (const std::string& member : stays) EXPECT_TRUE(seen.contains(member)) << member;
}

TEST_P(Grown, ASortedSetIsInOrderAndKnowsRanks) {
  Texts texts(3);
  Kept board(CollectionKind::kSortedSet);
  std::map<std::string, double> scores;
  std::set<std::pair<double, std::string>> order;
  const auto check = [&] {
    std::vector<std::pair<double, std::string>> seen;
    board.read([&](Collection& all) {
      Ranking(all).visit(0, false, [&](Item member, double score) {
        seen.emplace_back(score, text_of(member));
        return true;
      });
    });
    ASSERT_TRUE(std::ranges::equal(seen, order));
    seen.clear();
    const auto from = static_cast<std::uint32_t>(order.size() / 2);
    board.read([&](Collection& all) {
      Ranking(all).visit(from, true, [&](Item member, double score) {
        seen.emplace_back(score, text_of(member));
        return true;
      });
    });
    if (order.empty()) return;
    ASSERT_EQ(seen.size(), from + 1);
    ASSERT_TRUE(std::equal(seen.rbegin(), seen.rend(), order.begin()));
  };
  for (int round = 0; round < 20'000; ++round) {
    const std::string member = texts.field(GetParam());
    // Many ties, so that members decide.
    const double score = static_cast<double>(texts.below(30)) / (texts.below(2) != 0 ? 1 : 4) - 3;
    const auto old = scores.find(member);
    if (texts.below(10) < (round / 5'000 % 2 == 0 ? 8u : 2u)) {
      board.edit([&](Collection& all) {
        Ranking(all).put(member, score);
        return true;
      });
      if (old != scores.end()) order.erase({old->second, member});
      scores[member] = score;
      order.emplace(score, member);
    } else {
      EXPECT_EQ(board.edit([&](Collection& all) { return Ranking(all).erase(member); }), old != scores.end());
      if (old != scores.end()) {
        order.erase({old->second, member});
        scores.erase(old);
      }
    }
    if (round % 97 == 0) {
      using Among = ScoreKey::Among;
      board.read([&](Collection& all) {
        const Ranking ranking(all);
        const auto first = order.lower_bound({score, ""});
        const auto last = std::ranges::find_if(order, [&](const auto& one) { return one.first > score; });
        EXPECT_EQ(ranking.rank({score, {}, Among::kFirst}), std::distance(order.begin(), first));
        EXPECT_EQ(ranking.rank({score, {}, Among::kLast}), std::distance(order.begin(), last));
        EXPECT_EQ(ranking.rank({score, member}),
                  std::distance(order.begin(), order.lower_bound({score, member})));
      });
    }
    if (round % 1'000 == 0) check();
  }
  board.edit([&](Collection& all) {
    const std::uint32_t most = std::min<std::uint32_t>(all.size(), 50);
    Ranking(all).erase_ranks(0, most);
    for (std::uint32_t i = 0; i < most; ++i) order.erase(order.begin());
    return true;
  });
  check();
}

TEST_P(Grown, AListIsWhatAVectorIs) {
  Texts texts(4);
  Kept list(CollectionKind::kList);
  std::vector<std::string> model;
  for (int round = 0; round < 20'000; ++round) {
    const std::string value = texts.value();
    const std::uint64_t choice = texts.below(10);
    if (choice < (round / 5'000 % 2 == 0 ? 7u : 2u) && model.size() < GetParam()) {
      const std::size_t at = choice == 0 ? 0 : choice == 1 ? texts.below(model.size() + 1) : model.size();
      list.edit([&](Collection& all) {
        Sequence(all).insert(static_cast<std::uint32_t>(at), value);
        return true;
      });
      model.insert(model.begin() + static_cast<std::ptrdiff_t>(at), value);
    } else if (!model.empty()) {
      const std::size_t at = choice % 3 == 0 ? 0 : texts.below(model.size());
      if (choice == 9) {
        list.edit([&](Collection& all) {
          Sequence(all).set(static_cast<std::uint32_t>(at), value);
          return true;
        });
        model[at] = value;
      } else {
        const std::size_t most = choice == 8 ? texts.below(40) + 1 : 1;
        const std::size_t count = std::min(most, model.size() - at);
        list.edit([&](Collection& all) {
          Sequence(all).erase(static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(count));
          return true;
        });
        const auto first = model.begin() + static_cast<std::ptrdiff_t>(at);
        model.erase(first, first + static_cast<std::ptrdiff_t>(count));
      }
    }
    if (!model.empty()) {
      const std::size_t at = texts.below(model.size());
      ASSERT_EQ(list.read([&](Collection& all) {
        return text_of(Sequence(all).at(static_cast<std::uint32_t>(at)));
      }),
                model[at]);
    }
    if (round % 1'000 != 0) continue;
    std::vector<std::string> seen;
    const auto collect = [&](Item element) {
      seen.push_back(text_of(element));
      return true;
    };
    list.read([&](Collection& all) { Sequence(all).visit(0, false, collect); });
    ASSERT_EQ(seen, model);
    if (model.empty()) continue;
    seen.clear();
    list.read([&](Collection& all) { Sequence(all).visit(all.size() - 1, true, collect); });
    std::ranges::reverse(seen);
    ASSERT_EQ(seen, model);
  }
}

TEST_P(Grown, ACopyIsItsOwn) {
  Texts texts(5);
  Kept hash(CollectionKind::kHash);
  Kept copy(CollectionKind::kHash);
  for (std::uint64_t i = 0; i < GetParam(); ++i) {
    const std::string field = texts.field(GetParam());
    const std::string value = texts.value();
    hash.edit([&](Collection& all) { return Fields(all).put(field, value); });
    if (i % 3 == 0) hash.edit([&](Collection& all) { return Fields(all).set_until(field, i + 1), true; });
  }
  Collection from(hash.raw());
  {
    Collection to({}, copy.memory());
    to.copy(from);
    const std::string bytes(to.bytes());
    Collection seen(bytes);
    EXPECT_EQ(seen.size(), from.size());
    Fields(from).visit([&](Item field) {
      const auto value = Fields(seen).value(text_of(field));
      EXPECT_TRUE(value && text_of(*value) == text_of(Fields::value_of(field)));
      EXPECT_EQ(Fields(seen).until(text_of(field)), Fields(from).until(text_of(field)));
      return true;
    });
    auto trees = Collection::trees_of(bytes);
    for (TreeRoot& root : trees) {
      while (Tree::free_some(copy.memory(), root)) {
      }
    }
  }
  EXPECT_EQ(copy.memory().allocated(), 0u);
}

INSTANTIATE_TEST_SUITE_P(ByDifferentFields, Grown, ::testing::Values(8, 100, 3'000));

TEST(Collection, TakesLittleMoreThanItsElements) {
  constexpr std::uint32_t kElements = 100'000;
  Kept hash(CollectionKind::kHash);
  Kept set(CollectionKind::kSet);
  Kept board(CollectionKind::kSortedSet);
  Kept list(CollectionKind::kList);
  char text[17];
  for (std::uint32_t i = 0; i < kElements; ++i) {
    std::snprintf(text, sizeof(text), "element-%08u", i * 7919 % kElements);
    hash.edit([&](Collection& all) { return Fields(all).put(text, text); });
    set.edit([&](Collection& all) { return Fields(all).add(text); });
    board.edit([&](Collection& all) { return Ranking(all).put(text, i * 37 % 1'000'003), true; });
    list.edit([&](Collection& all) { return Sequence(all).insert(i, text), true; });
  }
  EXPECT_LE(hash.bytes(), kElements * 40);   // 34 packed
  EXPECT_LE(set.bytes(), kElements * 21);    // 17
  EXPECT_LE(board.bytes(), kElements * 48);  // 21, twice
  EXPECT_LE(list.bytes(), kElements * 18);   // 17
}

TEST(Collection, IsFreedInSmallSteps) {
  constexpr std::uint32_t kElements = 20'000;
  NodeMemory memory;
  Collection all({}, memory);
  all.begin(CollectionKind::kHash);
  for (std::uint32_t i = 0; i < kElements; ++i)
    Fields(all).put("field:" + std::to_string(i), std::to_string(i));
  auto trees = Collection::trees_of(all.bytes());
  std::size_t before = memory.allocated();
  std::size_t steps = 0;
  while (Tree::free_some(memory, trees[0])) {
    EXPECT_LE(before - memory.allocated(), 4 * Tree::kMostLeaf);
    before = memory.allocated();
    ++steps;
  }
  EXPECT_EQ(memory.allocated(), 0u);
  EXPECT_GT(steps, 100u);
}

}  // namespace
}  // namespace forebay::memory
