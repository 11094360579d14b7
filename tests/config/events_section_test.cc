// [events.NAME]: what is read, and what is wrong with it.

#include <gtest/gtest.h>

#include <string>

#include "config/reader.h"

namespace forebay::config {
namespace {

using namespace std::chrono_literals;

// Lines 1 to 7; sections begin in line 8.
const std::string kBase = R"([source.db]
kind = "sqlite"
path = "a.db"
[namespace.order]
key = "order:{id}"
source = "db"
table = "orders"
)";

const std::string kChannel = "[events.a]\nkind = \"redis-channel\"\nurl = \"redis://h\"\nchannel = \"c\"\n";

// All mistakes, a line each; empty: there is none.
std::string wrong(const std::string& section) {
  const auto model = read(kBase + section, "f");
  return model ? "" : model.error().message;
}
std::string with(const std::string& line) {
  return wrong(kChannel + "invalidate = [\"order:{id}\"]\n" + line + "\n");
}
std::string templates(const std::string& list) {
  return wrong(kChannel + "invalidate = [" + list + "]\n");
}

TEST(EventsSection, IsRead) {
  const auto model =
      read(kBase + kChannel +
               "invalidate = [\"order:{order.id}\", \"key s:{s}\"]\nhold_off = \"5s\"\nmax_keys = 3\n"
               "max_message = \"2KiB\"\npassword_env = \"P\"\n",
           "f");
  ASSERT_TRUE(model) << model.error().message;
  ASSERT_EQ(model->events.size(), 1u);
  const Events& events = model->events[0];
  EXPECT_EQ(events.name, "a");
  EXPECT_EQ(events.kind, EventsKind::kRedisChannel);
  EXPECT_EQ(events.channel, "c");
  EXPECT_EQ(events.hold_off, 5s);
  EXPECT_EQ(events.max_keys, 3u);
  EXPECT_EQ(events.max_message, 2048u);
  EXPECT_EQ(events.password_env, "P");
  ASSERT_EQ(events.invalidate.size(), 2u);
  EXPECT_EQ(events.invalidate[0].pattern.fields, std::vector<std::string>{"order.id"});
  EXPECT_EQ(events.invalidate[1].target, KeyTemplate::Target::kPlain);
}

TEST(EventsSection, HoldsOffForTwoSecondsUnlessItIsTold) {
  EXPECT_EQ(Events{}.hold_off, 2s);
  EXPECT_EQ(with("hold_off = 0"), "");
}

TEST(EventsSection, NeedsItsPlace) {
  EXPECT_EQ(wrong("[events.a]\ninvalidate = [\"order:1\"]\n").find("f:8:9: [events.a] needs a kind: "), 0u);
  EXPECT_EQ(wrong("[events.a]\nkind = \"redis-channel\"\nurl = \"redis://h\"\ninvalidate = [\"order:1\"]\n"),
            "f:8:9: kind = \"redis-channel\" needs channel = \"…\"");
  EXPECT_EQ(with("stream = \"x\""), "f:13:1: stream is not for kind = \"redis-channel\"");
  EXPECT_EQ(with("topic = \"x\""), "f:13:1: topic is not for kind = \"redis-channel\"");
  EXPECT_EQ(wrong("[events.a]\nkind = \"redis-channel\"\nurl = \"rediss://h\"\nchannel = \"c\"\ninvalidate = "
                  "[\"order:1\"]\n"),
            "f:10:7: TLS to a Redis server (rediss://) is not available in this version");
  EXPECT_EQ(wrong("[events.a]\nkind = \"nats\"\ninvalidate = [\"order:1\"]\n").find("f:9:8: kind must be "),
            0u);
}

TEST(EventsSection, OfKafkaPassesSettingsOnButForForebaysOwn) {
  const std::string kafka =
      "[events.a]\nkind = \"kafka\"\nbrokers = \"h:9092\"\ntopic = \"t\"\ninvalidate = [\"order:{id}\"]\n";
  const auto model =
      read(kBase + kafka + "group = \"g\"\nkafka = { \"security.protocol\" = \"SSL\" }\n", "f");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->events.at(0).brokers, "h:9092");
  EXPECT_EQ(model->events.at(0).topic, "t");
  EXPECT_EQ(model->events.at(0).group, "g");
  EXPECT_EQ(model->events.at(0).kafka,
            (std::vector<std::pair<std::string, std::string>>{{"security.protocol", "SSL"}}));
  EXPECT_EQ(wrong(kafka + "kafka = { \"auto.offset.reset\" = \"latest\" }\n"),
            "f:13:11: auto.offset.reset is Forebay's to set");
  EXPECT_EQ(wrong(kafka + "kafka = { \"sasl.password\" = 7 }\n"),
            "f:13:29: sasl.password must be a text, not an integer");
  EXPECT_EQ(wrong(kafka + "url = \"redis://h\"\n"), "f:13:1: url is not for kind = \"kafka\"");
  EXPECT_EQ(with("kafka = { \"a\" = \"b\" }"), "f:13:1: kafka is for kind = \"kafka\"");
}

TEST(EventsSection, APasswordIsNeverShown) {
  for (const char* url :
       {"redis://u:hunter2@h@h", "redis://u:hunter2", "rediss://u:hunter2@h", "http://u:hunter2@h"}) {
    const std::string said =
        wrong("[events.a]\nkind = \"redis-channel\"\nurl = \"" + std::string(url) + "\"\n");
    EXPECT_NE(said, "");
    EXPECT_EQ(said.find("hunter2"), std::string::npos) << said;
  }
}

TEST(EventsSection, NeedsTemplatesThatNameKeys) {
  EXPECT_EQ(wrong(kChannel),
            "f:8:9: [events.a] needs invalidate = [\"…\"]: the keys that a message makes stale");
  EXPECT_EQ(templates(""), "f:12:14: invalidate names no key");
  EXPECT_EQ(templates("\"ordr:{id}\""),
            "f:12:15: \"ordr:{id}\" has the form of no namespace's key (one of no namespace is written \"key "
            "ordr:{id}\"); did you mean \"order:\"?");
  EXPECT_EQ(templates("\"order:1\", \"order:\""),
            "f:12:26: \"order:\" has the form of no namespace's key (one of no namespace is written \"key "
            "order:\"); "
            "did you mean \"order:\"?");
  EXPECT_EQ(templates("\"key anything:{x}\""), "");
  EXPECT_EQ(templates("\"order:{id\""),
            "f:12:22: this { is never closed: a field is written {name}, or {outer.inner}");
  EXPECT_EQ(
      templates("7"),
      "f:12:14: invalidate names no key\nf:12:15: invalidate must be a list of texts; this is an integer");
}

TEST(EventsSection, TagsMayHaveAnyForm) {
  EXPECT_EQ(templates("\"order:{id}\", \"tag vendor:{v}\""), "");
}

TEST(EventsSection, SortedSetsAreSaidToBeLater) {
  EXPECT_EQ(
      wrong(
          "[namespace.board]\nkey = \"board:{game}\"\nsource = \"db\"\ntable = \"scores\"\ntype = \"zset\"\n"
          "member = \"who\"\nvalue = \"points\"\n" +
          kChannel + "invalidate = [\"board:{game}\"]\n"),
      "f:19:15: \"board:{game}\" is a key of [namespace.board]: sorted sets are not invalidated by events in "
      "this "
      "version");
}

TEST(EventsSection, BoundsAreBounded) {
  EXPECT_NE(with("hold_off = \"2m\""), "");
  EXPECT_NE(with("max_keys = 0"), "");
  EXPECT_NE(with("max_message = 10"), "");
}

}  // namespace
}  // namespace forebay::config
