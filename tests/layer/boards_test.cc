// Boards against a real SQLite file: loads of a board that a test holds between what they read and what they answer,
// and many writers and readers at once.

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "forebay/layer.h"
#include "memory/collection/own_collection.h"
#include "memory/collection/ranking.h"
#include "source/sqlite.h"
#include "support/eventually.h"
#include "support/sqlite_file.h"
#include "support/temp_dir.h"

namespace forebay {
namespace {

using test::eventually;

// What holds loads of queries, once each time that it is armed.
struct Holder {
  std::atomic<bool> armed{false};
  std::binary_semaphore has_read{0};
  std::binary_semaphore may_answer{0};
  std::atomic<int> loads{0};

  void pass() {
    ++loads;
    if (!armed.exchange(false)) return;
    has_read.release();
    may_answer.acquire();
  }
};

class HeldDataset final : public Dataset {
 public:
  HeldDataset(std::unique_ptr<Dataset> real, Holder& holder) : real_(std::move(real)), holder_(holder) {}
  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) override {
    auto loaded = real_->load(keys, context);
    holder_.pass();
    return loaded;
  }
  bool batches() const override { return real_->batches(); }
  bool found_by_spelling(std::size_t dependency) const override {
    return real_->found_by_spelling(dependency);
  }

 private:
  const std::unique_ptr<Dataset> real_;
  Holder& holder_;
};

class HeldSource final : public Source {
 public:
  HeldSource(std::shared_ptr<Source> real, Holder& holder) : real_(std::move(real)), holder_(holder) {}
  std::size_t concurrency() const override { return real_->concurrency(); }
  Result<std::unique_ptr<Dataset>> open_dataset(const DatasetSpec& spec) override {
    auto opened = real_->open_dataset(spec);
    if (!opened || spec.query.empty()) return opened;
    return std::unique_ptr<Dataset>(std::make_unique<HeldDataset>(std::move(*opened), holder_));
  }
  Result<std::vector<KnownTable>> known_tables(std::span<const std::string> names,
                                               const CallContext& context) override {
    return real_->known_tables(names, context);
  }
  Result<void> ping(const CallContext& context) override { return real_->ping(context); }
  std::unique_ptr<Ledger> ledger() override { return real_->ledger(); }
  std::unique_ptr<ChangeLog> change_log() override { return real_->change_log(); }

 private:
  const std::shared_ptr<Source> real_;
  Holder& holder_;
};

using Scores = std::map<std::string, double>;

Scores scores_of(memory::Collection& all) {
  Scores scores;
  if (!all.exists()) return scores;
  memory::Ranking(all).visit(0, false, [&](memory::Item member, double score) {
    memory::ItemDigits digits;
    scores.emplace(member.text(digits), score);
    return true;
  });
  return scores;
}

class Boards : public testing::Test {
 protected:
  void open(const std::string& write, const std::string& more = "") {
    database_.run(
        "CREATE TABLE scores(game TEXT, player TEXT, score REAL NOT NULL, PRIMARY KEY (game, player));"
        "INSERT INTO scores VALUES ('eu','ann',10),('eu','bob',2.5)");
    config::Source settings;
    settings.name = "db";
    settings.kind = "sqlite";
    settings.path = path_;
    settings.changes = true;
    settings.timeout = std::chrono::minutes(1);
    auto real = source::open_sqlite(settings);
    ASSERT_TRUE(real);
    Environment environment;
    environment.sources["db"] = std::make_shared<HeldSource>(std::move(*real), holder_);
    auto opened = Layer::open(
        "[journal]\npath = '" + (folder_ / "journal").string() + "'\n[source.db]\nkind = 'sqlite'\npath = '" +
            path_ + "'\nchanges = true\npoll_interval = '1ms'\ntimeout = '1m'\n[namespace.board]\n" +
            "key = 'board:{game}'\nsource = 'db'\ntable = 'scores'\ntype = 'zset'\nmember = 'player'\n" +
            "value = 'score'\nwrite = '" + write + "'\n" + more,
        std::move(environment));
    ASSERT_TRUE(opened) << opened.error().message;
    layer_ = std::move(*opened);
  }

  Result<WriteAnswer> write(const std::string& member, Write write) {
    std::promise<Result<WriteAnswer>> promise;
    layer_->write(zset_entry("board:eu", member), std::move(write),
                  [&](Result<WriteAnswer> answer) { promise.set_value(std::move(answer)); });
    return promise.get_future().get();
  }
  Result<WriteAnswer> add(const std::string& member, const std::string& amount) {
    return write(member, Add{"score", amount, true});
  }
  // As memory has it; nothing: it has to be loaded.
  std::optional<Scores> in_memory() {
    std::optional<Scores> scores;
    const LookUp found = layer_->look_up("board:eu", layer_->clock().now(), [&](const EntryView& entry) {
      memory::Collection all(entry.bytes());
      scores = scores_of(all);
    });
    if (found == LookUp::kAbsent) scores.emplace();
    return scores;
  }
  Scores load() {
    std::promise<Result<Answer>> promise;
    layer_->load("board:eu", [&](Result<Answer> answer) { promise.set_value(std::move(answer)); });
    layer_->dispatch();
    const auto answer = promise.get_future().get();
    if (!answer) throw std::runtime_error(answer.error().message);
    if (!answer->value) return {};
    auto all = answer->value->as<memory::OwnCollection>()->read();
    return scores_of(all);
  }
  Scores read() {
    if (auto scores = in_memory()) return *scores;
    return load();
  }
  // Begins a load and returns once it has read the table.
  std::future<Scores> held_load() {
    holder_.armed = true;
    auto loading = std::async(std::launch::async, [this] { return load(); });
    holder_.has_read.acquire();
    return loading;
  }
  void drain() { EXPECT_TRUE(layer_->drain(std::chrono::minutes(1))); }

  test::TempDir folder_;
  const std::string path_ = (folder_ / "game.db").string();
  test::SqliteFile database_{path_};
  Holder holder_;
  std::unique_ptr<Layer> layer_;
};

TEST_F(Boards, AWriteThroughDuringALoadIsInItsAnswerAndItsCopy) {
  open("through");
  auto loading = held_load();
  EXPECT_TRUE(add("bob", "100"));
  EXPECT_TRUE(write("ann", Remove{}));
  EXPECT_TRUE(write("cid", Update{{{"score", "1"}}, true}));
  holder_.may_answer.release();
  const Scores wanted = {{"bob", 102.5}, {"cid", 1}};
  EXPECT_EQ(loading.get(), wanted);
  EXPECT_EQ(read(), wanted);
}

TEST_F(Boards, AWriteBehindDuringALoadIsInItCountedOnce) {
  open("behind", "flush = { every = '1h' }\n");
  EXPECT_TRUE(add("ann", "1"));
  auto loading = held_load();
  EXPECT_TRUE(add("bob", "100"));
  EXPECT_TRUE(write("cid", Update{{{"score", "1"}}, true}));
  holder_.may_answer.release();
  const Scores wanted = {{"ann", 11}, {"bob", 102.5}, {"cid", 1}};
  EXPECT_EQ(loading.get(), wanted);
  EXPECT_EQ(in_memory(), wanted);
}

TEST_F(Boards, AWriteBehindThatIsAppliedDuringALoadIsInItCountedOnce) {
  open("behind", "flush = { every = '1h' }\n");
  EXPECT_TRUE(add("ann", "1"));
  auto loading = held_load();
  EXPECT_TRUE(add("bob", "100"));
  drain();
  holder_.may_answer.release();
  const Scores wanted = {{"ann", 11}, {"bob", 102.5}};
  EXPECT_EQ(loading.get(), wanted);
  EXPECT_EQ(read(), wanted);
}

TEST_F(Boards, AWriteThatWasAppliedWithoutACopyIsInTheNextLoad) {
  open("behind", "flush = { every = '1h' }\n");
  EXPECT_TRUE(add("ann", "1"));
  layer_->purge_all();
  EXPECT_EQ(read(), (Scores{{"ann", 11}, {"bob", 2.5}})) << "pending, without any copy";
  layer_->purge_all();
  auto loading = held_load();
  drain();  // whether the load has seen it can't be known, and no copy says it
  holder_.may_answer.release();
  EXPECT_EQ(loading.get(), (Scores{{"ann", 11}, {"bob", 2.5}}));
}

TEST_F(Boards, ALoadThatMayHaveMissedAWriteAroundIsNotStoredAndNotJoined) {
  open("around");
  auto loading = held_load();
  EXPECT_TRUE(add("bob", "100"));
  // Another load, as who asks after the write must not be answered by the first.
  EXPECT_EQ(load(), (Scores{{"ann", 10}, {"bob", 102.5}}));
  holder_.may_answer.release();
  loading.get();
  EXPECT_EQ(read(), (Scores{{"ann", 10}, {"bob", 102.5}}));
}

TEST_F(Boards, AChangeByOthersDuringALoadKeepsItFromBeingStored) {
  open("through");
  auto loading = held_load();
  const auto invalidations = [&] {
    std::uint64_t count = 0;
    for (const auto& space : layer_->stats().namespaces) count += space.invalidations;
    return count;
  };
  const auto before = invalidations();
  database_.run("UPDATE scores SET score = 50 WHERE player = 'ann'");
  EXPECT_TRUE(eventually([&] { return invalidations() > before; }, std::chrono::minutes(1)));
  holder_.may_answer.release();
  loading.get();
  EXPECT_EQ(read(), (Scores{{"ann", 50}, {"bob", 2.5}}));
}

TEST_F(Boards, AnEmptyBoardIsRememberedUntilItHasAMember) {
  open("through", "negative_ttl = '30s'\n");
  EXPECT_TRUE(write("ann", Remove{}));
  EXPECT_TRUE(write("bob", Remove{}));
  EXPECT_EQ(read(), Scores());
  EXPECT_TRUE(write("cid", Update{{{"score", "1"}}, true}));
  EXPECT_EQ(read(), (Scores{{"cid", 1}}));
}

// Whoever has been told that a write is done sees it, whatever is loaded, applied or purged meanwhile.
class BusyBoards : public Boards {
 protected:
  void run() {
    constexpr int kWriters = 3;
    constexpr int kRounds = 150;
    std::atomic<bool> stop{false};
    std::atomic<int> missed{0};
    std::vector<std::thread> threads;
    for (int writer = 0; writer < kWriters; ++writer) {
      threads.emplace_back([&, member = "w" + std::to_string(writer)] {
        for (int round = 1; round <= kRounds; ++round) {
          if (!add(member, "1") || !add("all", "1")) ++missed;
          const Scores seen = read();
          const auto own = seen.find(member);
          if (own == seen.end() || own->second != round) ++missed;
        }
      });
    }
    std::thread purger([&] {
      while (!stop) {
        EXPECT_TRUE(layer_->purge_namespace("board"));
        std::this_thread::yield();
        read();
      }
    });
    for (std::thread& thread : threads) thread.join();
    stop = true;
    purger.join();
    EXPECT_EQ(missed, 0);
    drain();
    layer_->purge_all();
    const Scores wanted = {{"ann", 10},     {"bob", 2.5},    {"w0", kRounds},
                           {"w1", kRounds}, {"w2", kRounds}, {"all", kWriters * kRounds}};
    EXPECT_EQ(read(), wanted);
    EXPECT_EQ(database_.ask("SELECT sum(score) FROM scores"), "912.5");
  }
};

TEST_F(BusyBoards, NoWriteThroughIsMissed) {
  open("through");
  run();
}

TEST_F(BusyBoards, NoWriteBehindIsMissed) {
  open("behind", "flush = { every = '1ms' }\ndurability = 'os'\n");
  run();
}

}  // namespace
}  // namespace forebay
