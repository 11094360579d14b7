// Dead letters over two sources in simulated time, without a journal: which are listed, and what is done
// about one.

#include "layer/write/behind/dead_letters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/sim_source.h"

namespace forebay::layer {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kGood = R"({"fields":{"name":"x"}})";

class DeadLetterCalls : public testing::Test {
 protected:
  DeadLetterCalls() {
    space.info.name = "user";
    space.info.index = 1;
    space.info.writes_behind = true;
    space.config.source = "north";
    space.config.key = {"user:{id}", {"user:", ""}, {"id"}};
    router.emplace(std::vector<Namespace*>{&rest, &space});
    in_force.store(&*router);
  }

  static DeadLetter letter(std::uint64_t seq, std::string key, std::uint32_t lane = 0) {
    return {{"j", lane, seq}, "user", std::move(key), kGood, "why", "then"};
  }
  // What a call has answered once a second has passed; nothing: it has not.
  template <class T, class Call>
  std::optional<Result<T>> answer(Call call) {
    auto answered = std::make_shared<std::optional<Result<T>>>();
    call([answered](Result<T> result) { answered->emplace(std::move(result)); });
    scheduler.advance(1s);
    return std::move(*answered);
  }
  std::optional<Result<std::vector<PutAside>>> list(std::string_view source, std::string_view after,
                                                    std::size_t limit) {
    return answer<std::vector<PutAside>>(
        [&](auto done) { letters.list(source, after, limit, std::move(done)); });
  }
  std::vector<std::string> ids(std::string_view source, std::string_view after, std::size_t limit) {
    std::vector<std::string> all;
    const auto listed = list(source, after, limit);
    for (const PutAside& each : listed.value().value()) all.push_back(each.id);
    return all;
  }
  Result<bool> retry(std::string_view id) {
    return answer<bool>([&](auto done) { letters.retry(id, std::move(done)); }).value();
  }
  Result<bool> edit(std::string_view id, std::string_view operation) {
    return answer<bool>([&](auto done) { letters.edit(id, operation, std::move(done)); }).value();
  }

  test::ManualClock clock;
  test::ManualScheduler scheduler{clock};
  std::shared_ptr<test::SimSource> north = std::make_shared<test::SimSource>(clock, scheduler);
  std::shared_ptr<test::SimSource> south = std::make_shared<test::SimSource>(clock, scheduler);
  Namespace rest;
  Namespace space;
  std::optional<const Router> router;
  std::atomic<const Router*> in_force{nullptr};
  std::vector<std::string> written;  // again: key and the letter that goes
  std::vector<std::string> dropped;
  std::optional<Error> write_error;
  DeadLetters letters{
      {[this] { return std::vector<DeadLetters::SourceAt>{{"south", south, 2s}, {"north", north, 2s}}; },
       in_force,
       [this](Namespace&, std::string_view key, journal::Effect effect, WriteCallback done) {
         written.push_back(std::string(key) + " " + std::to_string(effect.revives->seq));
         if (write_error) return done(*write_error);
         done(WriteAnswer());
       },
       [this](const std::string& source) { dropped.push_back(source); }}};
};

TEST_F(DeadLetterCalls, AListGoesFromSourceToSourceInTheOrderOfTheirNames) {
  north->dead = {letter(5, "user:1"), letter(2, "user:2", 1)};
  south->dead = {letter(1, "user:3")};
  EXPECT_THAT(ids("", "", 10), ElementsAre("north/j/1/2", "north/j/0/5", "south/j/0/1"));
  EXPECT_THAT(ids("", "", 2), ElementsAre("north/j/1/2", "north/j/0/5"));
  EXPECT_THAT(ids("", "north/j/1/2", 10), ElementsAre("north/j/0/5", "south/j/0/1"));
  EXPECT_THAT(ids("", "north/j/0/9", 10), ElementsAre("south/j/0/1")) << "one that is gone will do";
  EXPECT_THAT(ids("", "south/j/0/1", 10), IsEmpty());
  EXPECT_THAT(ids("south", "", 10), ElementsAre("south/j/0/1"));
  EXPECT_THAT(ids("", "", 0), IsEmpty());
  EXPECT_EQ(list("east", "", 10)->error().code, ErrorCode::kInvalidArgument);
  for (const char* wrong : {"north", "north/j/0", "north/j/x/1", "north/j/0/1/2", "north/j/0/1x"})
    EXPECT_EQ(list("", wrong, 10)->error().code, ErrorCode::kInvalidArgument) << wrong;
}

TEST_F(DeadLetterCalls, AListUnderWayKeepsNoSourceAlive) {
  std::optional<Result<std::vector<PutAside>>> answered;
  letters.list("", "", 10, [&](auto result) { answered = std::move(result); });
  const std::weak_ptr<SourcePort> gone = south;
  south.reset();
  EXPECT_TRUE(gone.expired());
  scheduler.advance(1s);
  EXPECT_FALSE(answered.has_value()) << "as a source that ends drops all calls";
}

TEST_F(DeadLetterCalls, OneIsFoundAndDropped) {
  north->dead = {letter(5, "user:1")};
  const auto find = [&] {
    return answer<std::optional<PutAside>>([&](auto done) { letters.find("north/j/0/5", std::move(done)); })
        ->value();
  };
  const auto drop = [&] {
    return answer<bool>([&](auto done) { letters.drop("north/j/0/5", std::move(done)); })->value();
  };
  ASSERT_TRUE(find().has_value());
  EXPECT_EQ(find()->letter.error, "why");
  EXPECT_EQ(find()->source, "north");
  EXPECT_TRUE(drop());
  EXPECT_THAT(dropped, ElementsAre("north"));
  EXPECT_FALSE(drop());
  EXPECT_FALSE(find().has_value());
  EXPECT_THAT(dropped, ElementsAre("north")) << "nothing has changed by the second try";
}

TEST_F(DeadLetterCalls, ARetryWritesTheLetterAgain) {
  north->dead = {letter(5, "user:1"), letter(6, "user:1")};
  EXPECT_TRUE(retry("north/j/0/5").value());
  EXPECT_THAT(written, ElementsAre("user:1 5"));
  EXPECT_FALSE(retry("north/j/0/7").value());
  write_error = Error{ErrorCode::kUnavailable, "the journal is full"};
  EXPECT_THAT(retry("north/j/0/5").error().message, HasSubstr("full"));
}

TEST_F(DeadLetterCalls, WhereAKeyIsHeldAllItsLettersAreWrittenInOrder) {
  space.config.after_dead_letter = config::AfterDeadLetter::kHold;
  DeadLetter elsewhere = letter(1, "user:1");
  elsewhere.id.journal = "another";
  north->dead = {letter(9, "user:1", 2), letter(5, "user:1"), letter(6, "user:2"), elsewhere};
  EXPECT_TRUE(retry("north/j/2/9").value());
  EXPECT_THAT(written, ElementsAre("user:1 5", "user:1 9"));
}

TEST_F(DeadLetterCalls, ALetterWithoutItsNamespaceCantBeRetried) {
  south->dead = {letter(5, "user:1")};
  EXPECT_EQ(retry("south/j/0/5").error().code, ErrorCode::kUnsupported) << "it is another source's";
  north->dead = {letter(5, "team:1")};
  EXPECT_EQ(retry("north/j/0/5").error().code, ErrorCode::kUnsupported) << "the key is another namespace's";
  EXPECT_THAT(written, IsEmpty());
}

TEST_F(DeadLetterCalls, AnEditIsCheckedByTheNamespace) {
  north->unknown_column = "colour";
  space.port = north->open({}).value();
  north->dead = {letter(5, "user:1")};
  EXPECT_EQ(edit("north/j/0/5", R"({"fields":{"colour":"red"},"update":true})").error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(edit("north/j/0/5", "{nonsense").error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(edit("north/j/0/5", R"({"fields":{"a":"1"},"revives":{"journal":"j","lane":0,"seq":1}})")
                  .error()
                  .message,
              HasSubstr("Forebay's to say"));
  EXPECT_EQ(north->dead[0].operation, kGood);
  const std::string better = R"({"fields":{"name":"y"}})";
  EXPECT_TRUE(edit("north/j/0/5", better).value());
  EXPECT_EQ(north->dead[0].operation, better);
  EXPECT_FALSE(edit("north/j/0/6", better).value());
}

}  // namespace
}  // namespace forebay::layer
