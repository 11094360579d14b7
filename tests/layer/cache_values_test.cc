// What Cache<Key, Value> does with each kind of key and value, and what a hit must not cost.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "forebay/cache.h"
#include "layer/cache_clock.h"
#include "support/allocations.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;

struct Point {
  double x, y, z;
  int id;
  bool operator==(const Point&) const = default;
};
struct Block {
  std::array<std::uint64_t, 8> words;
};
struct TooWide {
  std::array<std::uint64_t, 9> words;
};
struct MoveOnly {
  explicit MoveOnly(int value) : number(std::make_unique<int>(value)) {}
  std::unique_ptr<int> number;
};
struct CopyForbidden {  // its bytes could be copied, but its author says no
  CopyForbidden(CopyForbidden&&) = default;
  CopyForbidden(const CopyForbidden&) = delete;
  int handle;
};

static_assert(KeptAsBytes<std::uint64_t> && KeptAsBytes<Point> && KeptAsBytes<Block> &&
              KeptAsBytes<std::string>);
static_assert(!KeptAsBytes<TooWide> && !KeptAsBytes<MoveOnly> && !KeptAsBytes<CopyForbidden> &&
              !KeptAsBytes<std::vector<int>>);

template <class Key, class T>
std::unique_ptr<Cache<Key, T>> open_without_loads(CacheOptions options = {}) {
  auto cache =
      Cache<Key, T>::open(options, [](const Key&) -> Result<std::optional<T>> { return std::optional<T>(); });
  EXPECT_TRUE(cache) << cache.error().message;
  return std::move(*cache);
}

TEST(CacheValues, SmallStructsComeBackByValue) {
  std::atomic<int> loads = 0;
  auto cache = Cache<int, Point>::open({}, [&](const int& id) -> Result<std::optional<Point>> {
    ++loads;
    if (id < 0) return std::optional<Point>();
    return Point{1.5, -2.5, 3.5, id};
  });
  ASSERT_TRUE(cache);
  const Point expected{1.5, -2.5, 3.5, 7};
  EXPECT_EQ(**(*cache)->get(7), expected);  // loaded
  const auto held = (*cache)->get(7);       // from memory
  ASSERT_TRUE(held && *held);
  EXPECT_EQ((*held)->id, 7);
  EXPECT_EQ(*held->get(), expected);
  (*cache)->put(7, Point{0, 0, 0, 8});
  EXPECT_EQ((*held)->id, 7) << "who holds a value goes on holding it";
  EXPECT_EQ((*cache)->peek(7)->id, 8);
  EXPECT_EQ(*(*cache)->get(-1), nullptr);
  EXPECT_EQ((*cache)->get(-1)->get(), nullptr);
  EXPECT_EQ(loads, 3);
}

TEST(CacheValues, AllOfSixtyFourBytesArrive) {
  auto cache = open_without_loads<int, Block>();
  Block block;
  for (std::size_t i = 0; i < 8; ++i) block.words[i] = ~std::uint64_t{0} - i;
  cache->put(1, block);
  EXPECT_EQ(cache->peek(1)->words, block.words);
}

TEST(CacheValues, WiderStructsAreSharedAndNotCopied) {
  auto cache = open_without_loads<int, TooWide>();
  cache->put(1, TooWide{{1, 2, 3, 4, 5, 6, 7, 8, 9}});
  const std::shared_ptr<const TooWide> one = cache->peek(1);
  EXPECT_EQ(one, cache->peek(1));
  EXPECT_EQ(one->words[8], 9u);
}

TEST(CacheValues, MoveOnlyObjectsAreVisitedInPlace) {
  auto cache = open_without_loads<int, MoveOnly>();
  cache->put(1, MoveOnly(42));
  const MoveOnly* seen = nullptr;
  EXPECT_TRUE(cache->peek(1, [&](const MoveOnly& value) { seen = &value; }));
  EXPECT_EQ(seen, cache->peek(1).get());
  EXPECT_EQ(*seen->number, 42);
}

TEST(CacheValues, TextOfEverySizeComesBackWhole) {
  auto cache = open_without_loads<int, std::string>();
  int key = 0;
  for (const std::size_t size : {0, 1, 15, 16, 64, 255, 256, 4095, 4096, 4097, 100'000}) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31);
    cache->put(++key, text);
    const auto held = cache->peek(key);
    ASSERT_TRUE(held) << size;
    EXPECT_EQ(*held, text) << size;
    EXPECT_EQ(held->size(), size);
    EXPECT_TRUE(cache->peek(key, [&](std::string_view seen) { EXPECT_EQ(seen, text); })) << size;
    EXPECT_EQ(*cache->peek(key), text) << "from a temporary";
  }
}

TEST(CacheValues, LongTextIsSharedWithTheCache) {
  const std::string text(10'000, 'x');
  auto cache = Cache<int, std::string>::open(
      {}, [&](const int&) -> Result<std::optional<std::string>> { return std::optional(text); });
  ASSERT_TRUE(cache);
  const auto loaded = (*cache)->get(1);
  const auto found = (*cache)->get(1);
  ASSERT_TRUE(loaded && found);
  EXPECT_EQ(loaded->get(), found->get());
  auto put = open_without_loads<int, std::string>();
  std::string mine = text;
  const char* const at = mine.data();
  put->put(1, std::move(mine));
  EXPECT_EQ(put->peek(1)->data(), at) << "moved in, not copied";
}

TEST(CacheValues, VisitLoadsWhatIsMissingAndSaysWhenThereIsNothing) {
  auto cache = Cache<std::string, std::string>::open(
      {}, [](const std::string& key) -> Result<std::optional<std::string>> {
        if (key == "none") return std::optional<std::string>();
        if (key == "down") return Error{ErrorCode::kUnavailable, "down"};
        return "value of " + key;
      });
  ASSERT_TRUE(cache);
  for (int i = 0; i < 2; ++i) {
    std::string seen;
    const auto there = (*cache)->visit("a", [&](std::string_view text) { seen = text; });
    ASSERT_TRUE(there);
    EXPECT_TRUE(*there);
    EXPECT_EQ(seen, "value of a");
  }
  EXPECT_EQ((*cache)->stats().loads, 1u);
  const auto fail = [](std::string_view) { FAIL(); };
  const auto none = (*cache)->visit("none", fail);
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
  EXPECT_FALSE((*cache)->visit("down", fail));
  EXPECT_FALSE((*cache)->peek("b", fail));
}

TEST(CacheKeys, TextIsAskedForByViews) {
  auto cache = open_without_loads<std::string, int>();
  cache->put("literal", 1);
  cache->put(std::string("string"), 2);
  const std::string_view view = "a view of this";
  cache->put(view.substr(2, 4), 3);
  EXPECT_EQ(*cache->peek(std::string("literal")), 1);
  EXPECT_EQ(*cache->peek(std::string_view("string")), 2);
  EXPECT_EQ(*cache->peek("view"), 3);
  EXPECT_TRUE(cache->invalidate("view"));
  EXPECT_FALSE(cache->peek("view"));
}

TEST(CacheKeys, TheEmptyKeyLoadsLikeAnyOther) {
  auto cache = Cache<std::string, int>::open({}, [](const std::string& key) -> Result<std::optional<int>> {
    return std::optional(key.empty() ? 7 : 8);
  });
  ASSERT_TRUE(cache);
  EXPECT_EQ(**(*cache)->get(""), 7);
  EXPECT_EQ(**(*cache)->get(""), 7);
  EXPECT_EQ((*cache)->stats().loads, 1u);
}

struct Name {
  std::string first, last;
};

}  // namespace

template <>
struct KeyCodec<Name> {
  static std::string encode(const Name& name) { return name.first + '\0' + name.last; }
  static Name decode(std::string_view bytes) {
    const std::size_t end = bytes.find('\0');
    return {std::string(bytes.substr(0, end)), std::string(bytes.substr(end + 1))};
  }
};

namespace {

TEST(CacheKeys, ACodecMayMakeAString) {
  auto cache = Cache<Name, std::string>::open({}, [](const Name& name) -> Result<std::optional<std::string>> {
    return name.first + " " + name.last;
  });
  ASSERT_TRUE(cache);
  EXPECT_EQ(**(*cache)->get({"Ada", "Lovelace"}), "Ada Lovelace");
  EXPECT_TRUE((*cache)->peek({"Ada", "Lovelace"}));
  EXPECT_FALSE((*cache)->peek({"AdaL", "ovelace"}));
}

TEST(CacheHits, AllocateNothing) {
  auto numbers = open_without_loads<std::uint64_t, std::uint64_t>();
  auto texts = open_without_loads<std::string, std::string>();
  auto objects = open_without_loads<int, MoveOnly>();
  const std::string key = "a key that is too long for the small string optimisation";
  numbers->put(1, 2);
  texts->put(key, std::string(64, 'v'));
  objects->put(1, MoveOnly(3));
  const auto hits = [&] {
    std::uint64_t seen = 0;
    for (int i = 0; i < 100; ++i) {
      seen += **numbers->get(1);
      (void)*texts->visit(key, [&](std::string_view text) { seen += text.size(); });
      seen += static_cast<std::uint64_t>(*(*objects->get(1))->number);
    }
    return seen;
  };
  hits();
  const int before = test::allocations_of_this_thread();
  EXPECT_EQ(hits(), 100u * (2 + 64 + 3));
  EXPECT_EQ(test::allocations_of_this_thread(), before);
}

TEST(CacheHits, AskTheClockOnlyIfSomethingGetsOlder) {
  test::CacheClock clock;
  CacheOptions options;
  options.clock = &clock;
  auto timeless = open_without_loads<int, int>(options);
  options.ttl = 1s;
  auto aging = open_without_loads<int, int>(options);
  timeless->put(1, 1);
  aging->put(1, 1);
  int before = test::CacheClock::asked_by_this_thread();
  EXPECT_EQ(**timeless->get(1), 1);
  EXPECT_EQ(test::CacheClock::asked_by_this_thread(), before);
  EXPECT_EQ(**aging->get(1), 1);
  EXPECT_EQ(test::CacheClock::asked_by_this_thread(), before + 1);
  clock.advance(2s);
  EXPECT_FALSE(aging->peek(1));
  EXPECT_EQ(*timeless->peek(1), 1);
}

TEST(CacheHits, RememberedAbsenceIsOneNegativeHit) {
  test::CacheClock clock;
  std::atomic<int> loads = 0;
  CacheOptions options;
  options.clock = &clock;
  options.negative_ttl = 10s;
  auto cache = Cache<int, int>::open(options, [&](const int&) -> Result<std::optional<int>> {
    ++loads;
    return std::optional<int>();
  });
  ASSERT_TRUE(cache);
  EXPECT_EQ(*(*cache)->get(1), nullptr);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(*(*cache)->get(1), nullptr);
  EXPECT_EQ(loads, 1);
  EXPECT_EQ((*cache)->stats().negative, 3u);
  EXPECT_EQ((*cache)->stats().misses, 1u);
  clock.advance(11s);
  EXPECT_EQ(*(*cache)->get(1), nullptr);
  EXPECT_EQ(loads, 2);
  (*cache)->put(1, 5);
  EXPECT_EQ(**(*cache)->get(1), 5);
}

TEST(CacheHits, AStaleValueAnswersWhileItIsReloaded) {
  test::CacheClock clock;
  std::atomic<std::uint64_t> version = 1;
  std::atomic<int> loads = 0;
  CacheOptions options;
  options.clock = &clock;
  options.ttl = 1s;
  options.stale_while_revalidate = 60s;
  auto cache =
      Cache<int, std::uint64_t>::open(options, [&](const int&) -> Result<std::optional<std::uint64_t>> {
        ++loads;
        return std::optional(version.load());
      });
  ASSERT_TRUE(cache);
  EXPECT_EQ(**(*cache)->get(1), 1u);
  version = 2;
  clock.advance(999ms);
  EXPECT_EQ(**(*cache)->get(1), 1u);
  EXPECT_EQ((*cache)->stats().hits, 1u);
  EXPECT_EQ(loads, 1);
  clock.advance(1ms);
  EXPECT_EQ(**(*cache)->get(1), 1u);  // at once; the reload is on its way
  EXPECT_EQ((*cache)->stats().stale, 1u);
  EXPECT_EQ((*cache)->stats().refreshes, 1u);
  while (**(*cache)->get(1) != 2) std::this_thread::yield();
  EXPECT_EQ(loads, 2);
  clock.advance(62s);
  version = 3;
  EXPECT_EQ(**(*cache)->get(1), 3u) << "past the stale window a reader waits for the load";
}

// A reader that saw the old value may come to ask for the reload when that is over.
TEST(CacheHits, OfManyReadersOfAStaleValueOneReloadsIt) {
  test::CacheClock clock;
  std::atomic<int> loads = 0;
  CacheOptions options;
  options.clock = &clock;
  options.ttl = 1s;
  options.stale_while_revalidate = 60s;
  auto cache =
      Cache<int, int>::open(options, [&](const int&) -> Result<std::optional<int>> { return ++loads; });
  ASSERT_TRUE(cache);
  EXPECT_EQ(**(*cache)->get(1), 1);
  std::atomic<bool> stop = false;
  std::vector<std::jthread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      while (!stop) EXPECT_TRUE((*cache)->get(1));
    });
  }
  for (int round = 2; round < 100; ++round) {
    clock.advance(2s);
    while (**(*cache)->get(1) < round) {
    }
    EXPECT_EQ(loads, round);
    if (loads != round) break;
  }
  stop = true;
}

TEST(CacheHits, ManyAtOnceLoadOnlyWhatIsMissing) {
  std::vector<int> asked;
  auto cache = Cache<int, std::string>::open_batched(
      {}, [&](std::span<const int> keys) -> Result<std::vector<std::optional<std::string>>> {
        asked.assign(keys.begin(), keys.end());
        std::vector<std::optional<std::string>> values;
        for (const int key : keys)
          values.push_back(key == 3 ? std::nullopt : std::optional("loaded " + std::to_string(key)));
        return values;
      });
  ASSERT_TRUE(cache);
  (*cache)->put(1, "put 1");
  const auto values = (*cache)->get_many(std::vector{1, 2, 3, 2});
  ASSERT_EQ(values.size(), 4u);
  EXPECT_EQ(**values[0], "put 1");
  EXPECT_EQ(**values[1], "loaded 2");
  EXPECT_EQ(*values[2], nullptr);
  EXPECT_EQ(**values[3], "loaded 2");
  EXPECT_EQ(asked, (std::vector{2, 3}));
  EXPECT_EQ((*cache)->stats().hits, 1u);
}

// Each key has one thread that changes it, all read all. A value is never torn, never another key's, never
// older than what the reader has seen of that key, and a thread reads its own changes.
TEST(CacheHits, ManyThreadsReadPutAndInvalidate) {
  struct Row {
    std::uint64_t key, version, check;
  };
  constexpr std::size_t kThreads = 8, kKeys = 64;
  constexpr int kSteps = 3000;
  std::array<std::atomic<std::uint64_t>, kKeys> database{};
  const auto row = [](std::uint64_t key, std::uint64_t version) {
    return Row{key, version, key * 1000003 ^ version};
  };
  CacheOptions options;
  options.max_entries = kKeys / 2;
  auto cache =
      Cache<std::uint64_t, Row>::open(options, [&](const std::uint64_t& key) -> Result<std::optional<Row>> {
        return std::optional(row(key, database[key].load()));
      });
  ASSERT_TRUE(cache);
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::array<std::uint64_t, kKeys> seen{};
      std::uint64_t state = t + 1;
      const auto check = [&](std::uint64_t key, const Row& value) {
        if (value.key != key || value.check != (key * 1000003 ^ value.version) || value.version < seen[key])
          ++wrong;
        seen[key] = std::max(seen[key], value.version);
      };
      for (int i = 0; i < kSteps; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const std::uint64_t key = (state >> 33) % kKeys;
        if (key % kThreads != t) {
          if (i % 4 == 0) {
            (*cache)->peek(key, [&](const Row& value) { check(key, value); });
          } else {
            check(key, **(*cache)->get(key));
          }
          continue;
        }
        const std::uint64_t version = database[key].fetch_add(1) + 1;
        if (i % 2 == 0) {
          (*cache)->put(key, row(key, version));
        } else {
          (*cache)->invalidate(key);
        }
        seen[key] = version;
        check(key, **(*cache)->get(key));
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace forebay
