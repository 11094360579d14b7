#include "layer/port/collection_port.h"

#include <gtest/gtest.h>

#include <map>

#include "memory/collection/own_collection.h"
#include "memory/collection/ranking.h"

namespace forebay::layer {
namespace {

// Answers with one text.
class Texts final : public DatasetPort {
 public:
  explicit Texts(std::optional<std::string> text) : text_(std::move(text)) {}
  bool batches() const override { return true; }
  void load(std::vector<KeyFields> keys, CallOptions, LoadDone done) override {
    std::vector<LoadedValue> values(keys.size());
    for (LoadedValue& value : values) {
      if (text_) value.value = Value::bytes(*text_);
      value.evidence = 7;
    }
    done(std::move(values));
  }

 private:
  const std::optional<std::string> text_;
};

Result<LoadedValue> load(std::optional<std::string> text, std::size_t most = 3) {
  CollectionPort port(std::make_shared<Texts>(std::move(text)),
                      {"board", memory::CollectionKind::kSortedSet, most});
  EXPECT_FALSE(port.batches()) << "one key's error is not another's";
  Result<LoadedValue> one = Error{};
  port.load({{"eu"}}, {}, [&](Result<std::vector<LoadedValue>> values) {
    if (!values) {
      one = values.error();
    } else {
      one = std::move(values->front());
    }
  });
  return one;
}

TEST(CollectionPort, MakesASortedSetOfMembersThatMayHaveAnyBytes) {
  const auto loaded = load(std::string("3:ann1.5 6:a\0 :2 -1e3 0:7 ", 26));
  ASSERT_TRUE(loaded) << loaded.error().message;
  ASSERT_TRUE(loaded->value && loaded->value->is_object());
  EXPECT_EQ(loaded->evidence, 7u);
  auto all = loaded->value->as<memory::OwnCollection>()->read();
  const memory::Ranking ranking(all);
  EXPECT_EQ(ranking.size(), 2u) << "a member without a name is none";
  EXPECT_EQ(ranking.score("ann"), 1.5);
  EXPECT_EQ(ranking.score(std::string_view("a\0 :2 ", 6)), -1000);
}

TEST(CollectionPort, WithoutElementsThereIsNoValue) {
  EXPECT_FALSE(load(std::nullopt)->value);
  EXPECT_FALSE(load("")->value);
}

TEST(CollectionPort, RefusesMoreMembersThanAllowed) {
  EXPECT_TRUE(load("1:a1 1:b2 1:c3 "));
  const auto refused = load("1:a1 1:b2 1:c3 1:d4 ");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kRefused);
  EXPECT_NE(refused.error().message.find("max_members = 3"), std::string::npos);
}

TEST(CollectionPort, RefusesScoresThatAreNoNumbers) {
  for (const char* text : {"1:anan ", "1:ax ", "1:a ", "1:a1", "9:a1 ", "x", "1a1 "})
    EXPECT_FALSE(load(text)) << text;
}

}  // namespace
}  // namespace forebay::layer
