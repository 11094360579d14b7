#include "memory/collection/stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "memory/collection/stream_groups.h"

namespace forebay::memory {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

std::string text_of(Item item) {
  ItemDigits digits;
  return std::string(item.text(digits));
}

// A stream as an entry keeps it: each edit begins with the entry's bytes and ends with new ones, as in the tier.
class Kept {
 public:
  ~Kept() {
    free();
    EXPECT_EQ(memory_.allocated(), 0u) << "nodes were left behind";
  }

  template <class Edit>
  auto edit(Edit edit) {
    Collection all(bytes_, memory_);
    if (!all.exists()) all.begin(CollectionKind::kStream);
    EXPECT_FALSE(all.is_nothing()) << "a stream without entries is one, too";
    Stream stream(all);
    auto answer = edit(all, stream);
    bytes_ = all.bytes();
    EXPECT_EQ(Collection::node_bytes(bytes_), memory_.allocated());
    return answer;
  }
  template <class Read>
  auto read(Read read) const {
    Collection all(bytes_);
    return read(all, Stream(all));
  }
  void copy(const Kept& from) {
    Collection theirs(from.bytes_);
    Collection all({}, memory_);
    all.copy(theirs);
    bytes_ = all.bytes();
  }
  void free() {
    auto trees = Collection::trees_of(bytes_);
    for (TreeRoot& root : trees) {
      while (Tree::free_some(memory_, root)) {
      }
    }
    bytes_.clear();
  }
  std::size_t bytes() const { return bytes_.size() + memory_.allocated(); }

 private:
  NodeMemory memory_;
  std::string bytes_;
};

using Texts = std::vector<std::string>;
using Model = std::map<StreamId, Texts>;

void append(Kept& kept, const StreamId& id, const Texts& texts) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  kept.edit([&](Collection&, Stream& stream) {
    stream.append(id, views);
    return 0;
  });
}

Texts texts_of(const StreamEntry& entry) {
  Texts texts;
  entry.visit([&](Item field, Item value) {
    texts.push_back(text_of(field));
    texts.push_back(text_of(value));
  });
  return texts;
}

Model entries_of(const Kept& kept) {
  Model entries;
  kept.read([&](Collection&, const Stream& stream) {
    stream.visit(0, false, [&](const StreamEntry& entry) {
      entries.emplace(entry.id(), texts_of(entry));
      return true;
    });
    return 0;
  });
  return entries;
}

class Draws {
 public:
  explicit Draws(unsigned seed) : random_(seed) {}
  std::uint64_t below(std::uint64_t most) { return random_() % most; }

  // Mostly of few lists of names, sometimes of one of its own, and now and then one that no leaf holds.
  Texts texts() {
    Texts texts;
    const std::uint64_t fields = 1 + below(3);
    for (std::uint64_t i = 0; i < fields; ++i) {
      texts.push_back("field" + std::to_string(below(20) == 0 ? below(1000) : i));
      texts.push_back(below(30) == 0 ? std::string(below(1500), 'v') : std::to_string(below(1'000'000)));
    }
    if (below(500) == 0) texts[0] = std::string(700, 'n');
    return texts;
  }
  StreamId after(const StreamId& id) {
    switch (below(4)) {
      case 0:
        return {id.ms + 1 + below(300), 0};
      case 1:
        return {id.ms + 1, below(1000)};
      default:
        return {id.ms, id.sequence + 1 + below(300)};
    }
  }

 private:
  std::mt19937_64 random_;
};

TEST(StreamIds, AreInOrderAsBytes) {
  std::vector<StreamId> ids;
  for (const std::uint64_t ms :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{255}, std::uint64_t{256}, kMost}) {
    for (const std::uint64_t sequence :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{255}, std::uint64_t{256}, kMost - 1, kMost})
      ids.push_back({ms, sequence});
  }
  std::vector<std::string> keys;
  for (const StreamId& id : ids) {
    std::string key;
    append_key(key, id);
    EXPECT_EQ(id_of_key(key), id);
    keys.push_back(key);
  }
  EXPECT_TRUE(std::ranges::is_sorted(keys));
  EXPECT_EQ((StreamId{7, kMost}.next()), (StreamId{8, 0}));
  EXPECT_EQ((StreamId{8, 0}.previous()), (StreamId{7, kMost}));
}

TEST(StreamModel, RandomEditsAreThoseOfAMap) {
  for (const unsigned seed : {1u, 2u, 3u}) {
    SCOPED_TRACE(seed);
    Draws draws(seed);
    Kept kept;
    Model model;
    StreamId last;
    std::uint64_t added = 0;
    for (int round = 0; round < 6'000; ++round) {
      const std::uint64_t kind = draws.below(20);
      if (kind < 14 || model.empty()) {
        last = draws.after(last);
        const Texts texts = draws.texts();
        append(kept, last, texts);
        model.emplace(last, texts);
        ++added;
      } else if (kind < 19) {
        auto victim = model.lower_bound({draws.below(last.ms + 1), draws.below(1000)});
        const StreamId id = victim == model.end() ? StreamId{last.ms + 1, 0} : victim->first;
        EXPECT_EQ(kept.edit([&](Collection&, Stream& stream) { return stream.erase(id); }),
                  victim != model.end());
        if (victim != model.end()) model.erase(victim);
      } else if (draws.below(10) == 0) {
        const auto count =
            static_cast<std::uint32_t>(draws.below(std::min<std::size_t>(model.size(), 200) + 1));
        kept.edit([&](Collection&, Stream& stream) {
          stream.drop(count);
          return 0;
        });
        model.erase(model.begin(), std::next(model.begin(), count));
      }
      if (round % 200 != 0) continue;
      ASSERT_EQ(entries_of(kept), model);
      const StreamId probe{draws.below(last.ms + 2), draws.below(1000)};
      kept.read([&](Collection&, const Stream& stream) {
        EXPECT_EQ(stream.head().last, last);
        EXPECT_EQ(stream.head().added, added);
        EXPECT_EQ(stream.has(probe), model.contains(probe));
        EXPECT_EQ(stream.rank(probe), std::distance(model.begin(), model.lower_bound(probe)));
        EXPECT_EQ(stream.first(), model.empty() ? StreamId() : model.begin()->first);
        EXPECT_EQ(stream.last(), model.empty() ? StreamId() : model.rbegin()->first);
        std::vector<StreamId> backwards;
        if (!model.empty()) {
          stream.visit(stream.size() - 1, true, [&](const StreamEntry& entry) {
            backwards.push_back(entry.id());
            return true;
          });
        }
        EXPECT_EQ(backwards.size(), model.size());
        EXPECT_TRUE(std::ranges::is_sorted(backwards, std::greater<>()));
        return 0;
      });
    }
    Kept copy;
    copy.copy(kept);
    EXPECT_EQ(entries_of(copy), model);
  }
}

// A group as the test has it.
struct ModelGroup {
  std::map<StreamId, Delivery> pending;
  std::map<std::string, std::uint32_t> consumers;  // to their numbers
};

void expect_same(const Kept& kept, const std::string& name, const ModelGroup& model) {
  kept.read([&](Collection& all, const Stream&) {
    auto group = StreamGroups(all).find(name);
    EXPECT_TRUE(group);
    StreamReaders readers(all, *group);
    EXPECT_EQ(group->pending, model.pending.size());
    EXPECT_EQ(group->consumers, model.consumers.size());
    auto expected = model.pending.begin();
    readers.visit({}, [&](const StreamId& id, const Delivery& delivery) {
      EXPECT_EQ(id, expected->first);
      EXPECT_EQ(delivery.consumer, expected->second.consumer);
      EXPECT_EQ(delivery.at_ms, expected->second.at_ms);
      EXPECT_EQ(delivery.count, expected->second.count);
      ++expected;
      return true;
    });
    EXPECT_EQ(expected, model.pending.end());
    if (!model.pending.empty()) {
      EXPECT_EQ(readers.last_pending(), model.pending.rbegin()->first);
    }
    std::vector<std::string> names;
    readers.visit_consumers([&](const StreamConsumer& consumer) {
      names.push_back(consumer.name);
      EXPECT_EQ(readers.by_number(consumer.number).name, consumer.name);
      std::uint32_t owned = 0;
      readers.visit_of(consumer, {}, [&](const StreamId& id) {
        EXPECT_EQ(model.pending.at(id).consumer, consumer.number);
        ++owned;
        return true;
      });
      EXPECT_EQ(owned, consumer.pending);
      EXPECT_EQ(owned, std::ranges::count_if(model.pending, [&](const auto& one) {
                  return one.second.consumer == consumer.number;
                }));
    });
    std::vector<std::string> expected_names;
    for (const auto& [consumer, number] : model.consumers) expected_names.push_back(consumer);
    EXPECT_EQ(names, expected_names);
    return 0;
  });
}

TEST(StreamModel, GroupsKeepWhatIsPending) {
  for (const unsigned seed : {1u, 2u}) {
    SCOPED_TRACE(seed);
    Draws draws(seed);
    Kept kept;
    std::map<std::string, ModelGroup> model;
    for (int round = 0; round < 8'000; ++round) {
      // Names that read as numbers, and one the beginning of another.
      const std::string name = "g" + std::to_string(draws.below(12));
      const std::string consumer = std::to_string(draws.below(12));
      const bool there = model.contains(name);
      kept.edit([&](Collection& all, Stream& stream) {
        StreamGroups groups(all);
        auto group = groups.find(name);
        EXPECT_EQ(group.has_value(), there);
        if (!group) {
          groups.create(stream, name, {}, -1);
          model[name];
          return 0;
        }
        if (draws.below(400) == 0) {
          groups.erase(*group);
          model.erase(name);
          return 0;
        }
        ModelGroup& expected = model[name];
        StreamReaders readers(all, std::move(*group));
        StreamConsumer* found = readers.find(consumer);
        EXPECT_EQ(found != nullptr, expected.consumers.contains(consumer));
        if (found == nullptr) found = &readers.create(consumer, 5);
        expected.consumers[consumer] = found->number;
        const std::uint32_t number = found->number;
        if (draws.below(60) == 0) {
          readers.erase(*found);
          expected.consumers.erase(consumer);
          std::erase_if(expected.pending, [&](const auto& one) { return one.second.consumer == number; });
        }
        for (int i = 0; i < 6; ++i) {
          const StreamId id{draws.below(40), draws.below(30)};
          if (draws.below(3) == 0 || !expected.consumers.contains(consumer)) {
            EXPECT_EQ(readers.acknowledge(id), expected.pending.erase(id) == 1);
          } else {
            const Delivery delivery{number, static_cast<std::int64_t>(draws.below(kMost / 2)),
                                    draws.below(2) != 0 ? 1 : draws.below(kMost)};
            readers.deliver(id, delivery);
            expected.pending[id] = delivery;
          }
        }
        readers.save();
        return 0;
      });
      if (round % 400 != 0) continue;
      for (const auto& [group, expected] : model) expect_same(kept, group, expected);
      EXPECT_EQ(kept.read([](Collection& all, const Stream&) { return StreamGroups(all).size(); }),
                model.size());
    }
  }
}

TEST(StreamModel, AHundredThousandArePendingAndGone) {
  constexpr std::uint64_t kCount = 100'000;
  Kept kept;
  kept.edit([&](Collection& all, Stream& stream) {
    StreamGroups groups(all);
    groups.create(stream, "g", {}, -1);
    groups.create(stream, "h", {}, -1);
    StreamReaders readers(all, *groups.find("g"));
    const std::uint32_t number = readers.create("c", 0).number;
    for (std::uint64_t i = 0; i < kCount; ++i)
      readers.deliver({1'700'000'000'000 + i, 0}, {number, 1'700'000'000'000, 1});
    readers.save();
    return 0;
  });
  EXPECT_LT(kept.bytes(), kCount * 56) << "bytes of a pending entry";
  kept.edit([&](Collection& all, Stream&) {
    StreamReaders readers(all, *StreamGroups(all).find("g"));
    for (std::uint64_t i = 0; i < kCount; i += 2)
      EXPECT_TRUE(readers.acknowledge({1'700'000'000'000 + i, 0}));
    readers.save();
    EXPECT_EQ(readers.group().pending, kCount / 2);
    StreamGroups(all).erase(readers.group());
    return 0;
  });
  EXPECT_LT(kept.bytes(), 500u) << "nothing of the group is left";
  EXPECT_EQ(kept.read([](Collection& all, const Stream&) { return StreamGroups(all).size(); }), 1u);
}

TEST(StreamModel, NamesOfFieldsAreKeptOnce) {
  constexpr std::uint64_t kCount = 10'000;
  Kept kept;
  const std::string name(40, 'n');
  for (std::uint64_t i = 0; i < kCount; ++i)
    append(kept, {1'700'000'000'000 + i, 0}, {name, "value" + std::to_string(i), name + "2", "value"});
  EXPECT_LT(kept.bytes(), kCount * 34) << "bytes of an entry with values of 14 bytes";
}

}  // namespace
}  // namespace forebay::memory
