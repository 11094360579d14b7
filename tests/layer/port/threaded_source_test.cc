// A blocking source behind its port: which calls reach it, and what comes of those that can't.

#include "layer/port/threaded_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <stdexcept>

#include "support/eventually.h"

namespace forebay::layer {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// A table whose columns a test adds, on a source that a test takes away.
struct Database {
  std::atomic<bool> away{false};
  std::atomic<bool> has_column{false};
  std::atomic<bool> throws{false};
  std::atomic<int> opened{0};
  std::atomic<int> shape{0};             // of the table now
  std::atomic<bool> tells_shape{false};  // whether a dataset can say that it is of another one
  std::atomic<bool> unusable{false};     // it can't be opened as it is
};

class Table final : public Dataset {
 public:
  explicit Table(Database& database)
      : database_(database), has_column_(database.has_column), shape_(database.shape) {}
  Result<Fit> fit(const CallContext&) override {
    if (database_.away) return Error{ErrorCode::kUnavailable, "away"};
    if (!database_.tells_shape) return Fit::kUnknown;
    return shape_ == database_.shape && !database_.unusable ? Fit::kFits : Fit::kChanged;
  }
  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext&) override {
    if (database_.throws) throw std::runtime_error("the cable");
    if (shape_ != database_.shape) return Error{ErrorCode::kConfig, "it has other columns"};
    if (keys.front().front() == "refused") return Error{ErrorCode::kRefused, "division by zero"};
    return std::vector<Loaded>(keys.front().front() == "few" ? 0 : keys.size(), Loaded{"v", 3, 7});
  }
  Result<Written> write(const KeyFields& key, const Write& write, const CallContext&) override {
    if (auto good = validate(key, write); !good) return std::move(good).error();
    return Written{};
  }
  Result<void> validate(const KeyFields&, const Write&) const override {
    if (has_column_) return {};
    return Error{ErrorCode::kInvalidArgument, "there is no column x"};
  }
  bool batches() const override { return true; }

 private:
  Database& database_;
  const bool has_column_;
  const int shape_;
};

// Applies what it is given, and notes which datasets that were.
class Books final : public Ledger {
 public:
  explicit Books(std::vector<Dataset*>& applied) : applied_(applied) {}
  Result<std::vector<std::uint64_t>> open(const std::string& journal, std::uint32_t lanes,
                                          const CallContext&) override {
    if (journal == "refused") return Error{ErrorCode::kConfig, "CREATE TABLE"};
    return std::vector<std::uint64_t>(lanes, 5);
  }
  Result<BatchOutcome> apply(const WriteBatch& batch, const CallContext&) override {
    for (const BatchWrite& one : batch.writes) applied_.push_back(one.dataset);
    return BatchOutcome{};
  }
  // 1,234 letters, every other one of journal "b".
  Result<std::vector<DeadLetter>> dead_letters(const std::optional<DeadId>& after, std::size_t limit,
                                               const CallContext&) override {
    std::vector<DeadLetter> page;
    for (std::uint64_t seq = after ? after->seq + 1 : 1; seq <= 1234 && page.size() < limit; ++seq)
      page.push_back({{seq % 2 == 0 ? "b" : "a", 0, seq}, "s", "k" + std::to_string(seq % 3), "", "", ""});
    return page;
  }
  Result<std::optional<DeadLetter>> dead_letter(const DeadId&, const CallContext&) override {
    throw std::runtime_error("the cable");
  }
  Result<bool> edit_dead_letter(const DeadId&, const std::string&, const CallContext&) override {
    return true;
  }
  Result<bool> drop_dead_letter(const DeadId&, const CallContext&) override { return true; }

 private:
  std::vector<Dataset*>& applied_;
};

class Blocking final : public Source {
 public:
  explicit Blocking(Database& database) : database_(database) {}
  std::size_t concurrency() const override { return 1; }
  Result<std::unique_ptr<Dataset>> open_dataset(const DatasetSpec&) override {
    ++database_.opened;
    if (database_.away) return Error{ErrorCode::kUnavailable, "away"};
    if (database_.unusable) return Error{ErrorCode::kConfig, "there is no such table"};
    auto table = std::make_unique<Table>(database_);
    own.push_back(table.get());
    return std::unique_ptr<Dataset>(std::move(table));
  }
  Result<void> ping(const CallContext&) override { return {}; }
  std::unique_ptr<Ledger> ledger() override {
    return has_ledger ? std::make_unique<Books>(applied) : nullptr;
  }
  std::unique_ptr<ChangeLog> change_log() override { return nullptr; }

  bool has_ledger = true;
  std::vector<Dataset*> own;
  std::vector<Dataset*> applied;

 private:
  Database& database_;
};

class SourceThreads : public testing::Test {
 protected:
  template <class T, class Call>
  static Result<T> wait(Call call) {
    std::promise<Result<T>> promise;
    call([&](Result<T> result) { promise.set_value(std::move(result)); });
    return promise.get_future().get();
  }
  static Result<std::vector<LoadedValue>> load(DatasetPort& dataset, std::vector<KeyFields> keys) {
    return wait<std::vector<LoadedValue>>(
        [&](LoadDone done) { dataset.load(std::move(keys), {}, std::move(done)); });
  }
  static Result<Written> write(DatasetPort& dataset) {
    return wait<Written>([&](WriteDone done) { dataset.write({"1"}, kWrite, {}, std::move(done)); });
  }
  Result<BatchOutcome> apply(std::shared_ptr<DatasetPort> dataset) {
    PortBatch batch;
    batch.upto = 1;
    batch.writes.push_back({std::move(dataset), {"1"}, {kWrite}});
    return wait<BatchOutcome>(
        [&](Done<BatchOutcome> done) { port->ledger()->apply(std::move(batch), {}, std::move(done)); });
  }

  static inline const Write kWrite = Update{{{"x", "1"}}};
  Database database;
  std::shared_ptr<Blocking> source = std::make_shared<Blocking>(database);
  std::unique_ptr<ThreadedSource> port = std::make_unique<ThreadedSource>(source);
};

TEST_F(SourceThreads, ALoadedValueSaysWhatItsSourceSaid) {
  auto dataset = port->open({}).value();
  const auto loaded = load(*dataset, {{"1"}, {"2"}});
  ASSERT_TRUE(loaded.has_value());
  ASSERT_EQ(loaded->size(), 2u);
  EXPECT_EQ((*loaded)[1].value->view(), "v");
  EXPECT_EQ((*loaded)[1].version, 3u);
  EXPECT_EQ((*loaded)[1].evidence, 7u);
  EXPECT_TRUE((*loaded)[1].storable);
  EXPECT_EQ((*loaded)[1].ttl, std::nullopt);
  EXPECT_EQ((*loaded)[1].tags, nullptr);
}

TEST_F(SourceThreads, WhatASourceDoesWrongIsAnError) {
  auto dataset = port->open({}).value();
  EXPECT_THAT(load(*dataset, {{"few"}, {"2"}}).error().message, HasSubstr("0 of 2 keys"));
  database.throws = true;
  EXPECT_THAT(load(*dataset, {{"1"}}).error().message, HasSubstr("the source threw: the cable"));
  const auto letter = wait<std::optional<DeadLetter>>(
      [&](auto done) { port->ledger()->dead_letter({}, {}, std::move(done)); });
  EXPECT_THAT(letter.error().message, HasSubstr("the source threw: the cable"));
}

TEST_F(SourceThreads, AnAbilityThatTheSourceHasNotIsNull) {
  source->has_ledger = false;
  ThreadedSource without(source);
  EXPECT_EQ(without.ledger(), nullptr);
  EXPECT_EQ(without.change_log(), nullptr);
  EXPECT_TRUE(without.open({}).has_value());
}

TEST_F(SourceThreads, ADatasetOfASourceThatIsAwayIsOpenedByTheFirstCallThatReachesIt) {
  database.away = true;
  ASSERT_FALSE(port->open({}).has_value());
  const auto late = port->open_later({});
  EXPECT_FALSE(late->batches());
  EXPECT_TRUE(late->validate({"1"}, kWrite).has_value()) << "nothing is known yet";
  EXPECT_EQ(load(*late, {{"1"}}).error().code, ErrorCode::kUnavailable);
  database.away = false;
  EXPECT_TRUE(load(*late, {{"1"}}).has_value());
  EXPECT_TRUE(late->batches());
  const int opened = database.opened;
  EXPECT_TRUE(load(*late, {{"1"}}).has_value());
  EXPECT_EQ(database.opened, opened) << "once is enough";
}

TEST_F(SourceThreads, ABatchOpensADatasetThatIsLateAndNamesTheSourcesOwn) {
  database.away = true;
  const auto late = port->open_later({});
  EXPECT_EQ(apply(late).error().code, ErrorCode::kUnavailable);
  database.away = false;
  const auto open = port->open({}).value();
  ASSERT_TRUE(apply(late).has_value());
  ASSERT_TRUE(apply(open).has_value());
  ASSERT_EQ(source->own.size(), 2u);
  EXPECT_EQ(source->applied, (std::vector<Dataset*>{source->own[1], source->own[0]}));
}

TEST_F(SourceThreads, ABatchWithAnotherSourcesDatasetIsNotApplied) {
  ThreadedSource other(source);
  EXPECT_EQ(apply(other.open({}).value()).error().code, ErrorCode::kInternal);
  EXPECT_TRUE(source->applied.empty());
}

TEST_F(SourceThreads, AWriteThatNamesANewColumnOpensTheTableAnew) {
  auto dataset = port->open({}).value();
  database.has_column = true;
  EXPECT_TRUE(write(*dataset).has_value());
  EXPECT_EQ(database.opened, 2);
  EXPECT_TRUE(dataset->validate({"1"}, kWrite).has_value());
  ASSERT_TRUE(apply(dataset).has_value());
  EXPECT_EQ(source->applied, std::vector<Dataset*>{source->own[1]}) << "batches know the new one, too";
}

TEST_F(SourceThreads, ACheckOfANewColumnLooksOnceAndSaysItNextTime) {
  auto dataset = port->open({}).value();
  database.has_column = true;
  EXPECT_FALSE(dataset->validate({"1"}, kWrite).has_value());
  EXPECT_TRUE(test::eventually([&] { return dataset->validate({"1"}, kWrite).has_value(); }));
  EXPECT_EQ(database.opened, 2);
  port.reset();  // the thread that looked ends before the dataset does, as in a layer
}

TEST_F(SourceThreads, ATableWithoutTheColumnIsNotLookedAtForEveryWrite) {
  auto dataset = port->open({}).value();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(write(*dataset).has_value());
  EXPECT_LT(database.opened, 50);
}

TEST_F(SourceThreads, ALoadThatMeetsAnotherShapeIsAnsweredInIt) {
  database.tells_shape = true;
  auto dataset = port->open({}).value();
  std::atomic<int> told{0};
  dataset->on_change([&] { ++told; });
  EXPECT_TRUE(load(*dataset, {{"1"}}).has_value());
  EXPECT_EQ(told, 0);
  database.shape = 1;
  EXPECT_TRUE(load(*dataset, {{"1"}}).has_value());
  EXPECT_EQ(told, 1);
  EXPECT_EQ(database.opened, 2);
  EXPECT_EQ(dataset->misfit(), std::nullopt);
  EXPECT_EQ(load(*dataset, {{"refused"}}).error().code, ErrorCode::kRefused);
  EXPECT_EQ(database.opened, 2) << "what is refused for its data opens nothing";
}

TEST_F(SourceThreads, ALookFindsAnotherShapeWithoutAnyCall) {
  database.tells_shape = true;
  auto dataset = port->open({}).value();
  std::atomic<int> told{0};
  dataset->on_change([&] { ++told; });
  EXPECT_TRUE(dataset->look(Look::kNow, {}).has_value());
  EXPECT_EQ(told, 0);
  database.shape = 1;
  EXPECT_TRUE(dataset->look(Look::kNow, {}).has_value());
  EXPECT_EQ(told, 1);
  database.away = true;
  EXPECT_EQ(dataset->look(Look::kNow, {}).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(told, 1);
}

TEST_F(SourceThreads, ATableThatIsStillChangingIsWaitedFor) {
  database.tells_shape = true;
  auto dataset = port->open({}).value();
  database.shape = 1;
  EXPECT_EQ(dataset->look(Look::kOnceItRests, {}).value(), true);
  EXPECT_EQ(database.opened, 1);
  EXPECT_TRUE(test::eventually([&] { return !dataset->look(Look::kOnceItRests, {}).value(); }));
  EXPECT_EQ(database.opened, 2);
}

TEST_F(SourceThreads, WhatNoLongerFitsSaysSoAndGoesOnAsFarAsItCanUntilItFits) {
  database.tells_shape = true;
  auto dataset = port->open({}).value();
  std::atomic<int> told{0};
  dataset->on_change([&] { ++told; });
  database.unusable = true;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(dataset->look(Look::kNow, {}).has_value());
  ASSERT_TRUE(dataset->misfit().has_value());
  EXPECT_THAT(dataset->misfit()->message, HasSubstr("no such table"));
  EXPECT_EQ(told, 1) << "once";
  EXPECT_TRUE(load(*dataset, {{"1"}}).has_value());
  database.unusable = false;
  EXPECT_TRUE(dataset->look(Look::kNow, {}).has_value());
  EXPECT_EQ(dataset->misfit(), std::nullopt);
}

TEST_F(SourceThreads, AnOpeningThatWasLateIsTold) {
  database.away = true;
  const auto late = port->open_later({});
  std::atomic<int> told{0};
  late->on_change([&] { ++told; });
  EXPECT_FALSE(late->found_by_spelling(0)) << "nothing is known yet";
  EXPECT_TRUE(late->look(Look::kNow, {}).has_value());
  database.away = false;
  database.unusable = true;
  EXPECT_FALSE(load(*late, {{"1"}}).has_value());
  EXPECT_THAT(late->misfit().value().message, HasSubstr("no such table"));
  database.unusable = false;
  EXPECT_TRUE(late->look(Look::kNow, {}).has_value());
  EXPECT_EQ(late->misfit(), std::nullopt);
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(load(*late, {{"1"}}).has_value());
  EXPECT_TRUE(late->found_by_spelling(0));
  EXPECT_EQ(told, 1);
}

TEST_F(SourceThreads, OpeningALedgerReadsItsDeadLettersPageByPage) {
  EXPECT_TRUE(port->ledger()->prepare("b", 2, {}).has_value());
  EXPECT_EQ(port->ledger()->prepare("refused", 2, {}).error().code, ErrorCode::kConfig);
  const auto opened = wait<PortLedger>([&](auto done) { port->ledger()->open("b", 2, {}, std::move(done)); });
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(opened->positions, (std::vector<std::uint64_t>{5, 5}));
  EXPECT_EQ(opened->dead.size(), 617u);
  const auto picked = wait<std::vector<DeadLetter>>([&](auto done) {
    port->ledger()->all_dead_letters([](const DeadLetter& letter) { return letter.key == "k0"; }, {},
                                     std::move(done));
  });
  ASSERT_TRUE(picked.has_value());
  EXPECT_EQ(picked->size(), 411u);
}

}  // namespace
}  // namespace forebay::layer
