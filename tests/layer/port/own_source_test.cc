// A program's own source, written before a source's abilities became interfaces, under a whole layer.

#include "support/own_source.h"

#include <gtest/gtest.h>

#include <future>

#include "forebay/layer.h"
#include "support/eventually.h"
#include "support/temp_dir.h"

namespace forebay {
namespace {

using forebay::test::eventually;

class OwnSourceInALayer : public testing::Test {
 protected:
  void SetUp() override {
    own->change("1", "one");
    Environment environment;
    environment.sources["own"] = own;
    // A kind with a change log, of which the program's own source takes the place.
    auto opened = Layer::open("[journal]\npath = \"" + (folder / "journal").string() + R"("
[source.own]
kind = "sqlite"
path = "nowhere"
changes = true
poll_interval = "1ms"

[namespace.thing]
key = "thing:{id}"
source = "own"
table = "things"
type = "text"
value = "body"
write = "behind"
flush = { every = "1h" }
ttl = "1h"
)",
                              std::move(environment));
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    layer = std::move(*opened);
  }
  std::string get(std::string_view key) {
    const auto answer = layer->get(key);
    if (!answer) return "!" + answer.error().message;
    return answer->value ? std::string(answer->value->view()) : "(nil)";
  }
  template <class T, class Call>
  T wait(Call call) {
    std::promise<Result<T>> promise;
    call([&](Result<T> result) { promise.set_value(std::move(result)); });
    return promise.get_future().get().value();
  }

  test::TempDir folder;
  std::shared_ptr<test::OwnSource> own = std::make_shared<test::OwnSource>();
  std::unique_ptr<Layer> layer;
};

TEST_F(OwnSourceInALayer, IsReadAndWrittenBehind) {
  EXPECT_EQ(get("thing:1"), "one");
  EXPECT_EQ(get("thing:2"), "(nil)");
  ASSERT_TRUE(layer->set("thing:2", "shout").has_value());
  EXPECT_EQ(get("thing:2"), "SHOUT") << "as the source says that it will show it";
  EXPECT_EQ(own->row("2"), "(none)");
  EXPECT_EQ(layer->set("thing:impossible", "x").error().code, ErrorCode::kRefused);
  EXPECT_GT(own->validated(), 0u);
  ASSERT_TRUE(layer->drain(std::chrono::seconds(30)));
  EXPECT_EQ(own->row("2"), "shout");
}

TEST_F(OwnSourceInALayer, TellsOfChangesAndGoesOnAfterAFailure) {
  EXPECT_EQ(own->watched(), std::vector<std::string>{"things"});
  EXPECT_EQ(get("thing:1"), "one");
  own->change("1", "two");
  EXPECT_TRUE(eventually([&] { return get("thing:1") == "two"; }));
  own->fail_polls(true);
  own->change("1", "three");
  EXPECT_TRUE(eventually([&] { return own->failed_polls() > 1; }));
  own->fail_polls(false);
  EXPECT_TRUE(eventually([&] { return get("thing:1") == "three"; }));
}

TEST_F(OwnSourceInALayer, KeepsDeadLettersThatArePutRight) {
  ASSERT_TRUE(layer->set("thing:1", "bad").has_value());
  ASSERT_TRUE(layer->drain(std::chrono::seconds(30)));
  const auto list = [&] {
    return wait<std::vector<PutAside>>([&](auto done) { layer->dead_letters("", "", 10, std::move(done)); });
  };
  const std::vector<PutAside> letters = list();
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].letter.error, "bad is no value");
  const std::string& id = letters[0].id;
  const std::string edited = R"({"fields":{"body":"good"}})";
  EXPECT_TRUE(wait<bool>([&](auto done) { layer->edit_dead_letter(id, edited, std::move(done)); }));
  EXPECT_EQ(wait<std::optional<PutAside>>([&](auto done) {
              layer->dead_letter(id, std::move(done));
            })->letter.operation,
            edited);
  EXPECT_TRUE(wait<bool>([&](auto done) { layer->retry_dead_letter(id, std::move(done)); }));
  ASSERT_TRUE(layer->drain(std::chrono::seconds(30)));
  EXPECT_EQ(own->row("1"), "good");
  EXPECT_TRUE(list().empty());
  EXPECT_FALSE(wait<bool>([&](auto done) { layer->drop_dead_letter(id, std::move(done)); }));
}

}  // namespace
}  // namespace forebay
