// Broker, outlets and subscriptions without sockets: loops whose mailboxes the test empties.

#include "server/pubsub/broker.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/pubsub/outlet.h"
#include "server/pubsub/subscriptions.h"

namespace forebay::server {
namespace {

class Client final : public PushTarget {
 public:
  explicit Client(Outlet& outlet, resp::Protocol protocol = resp::Protocol::kResp2)
      : subscriptions(outlet, *this), protocol_(protocol) {}

  resp::Protocol push_protocol() const override { return protocol_; }
  void push(const resp::Output& encoded) override {
    got.push_back(encoded.text);
    for (const auto& splice : encoded.splices()) payloads.push_back(splice.bytes.data());
  }

  std::vector<std::string> got;
  std::vector<const char*> payloads;  // where large ones lie
  Subscriptions subscriptions;

 private:
  const resp::Protocol protocol_;
};

struct Loop {
  explicit Loop(Broker& broker) : outlet(broker, mailbox) { outlet.join(); }
  std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>([] {});
  Outlet outlet;
};

class BrokerTest : public testing::Test {
 protected:
  Broker broker;
  Loop one{broker};
  Loop two{broker};
};

TEST_F(BrokerTest, EncodesForEachProtocol) {
  Client old(one.outlet);
  Client recent(one.outlet, resp::Protocol::kResp3);
  for (Client* client : {&old, &recent}) {
    client->subscriptions.add(Topic::kChannel, "c");
    client->subscriptions.add(Topic::kPattern, "c*");
    client->subscriptions.add(Topic::kShard, "c");
  }
  EXPECT_EQ(broker.publish(Topic::kChannel, "c", "hi").receivers, 4u);
  EXPECT_EQ(broker.publish(Topic::kShard, "c", "ho").receivers, 2u);
  one.mailbox->deliver();
  const std::vector<std::string> expected = {"3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n",
                                             "4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$1\r\nc\r\n$2\r\nhi\r\n",
                                             "3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$2\r\nho\r\n"};
  ASSERT_EQ(old.got.size(), 3u);
  ASSERT_EQ(recent.got.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(old.got[i], "*" + expected[i]);
    EXPECT_EQ(recent.got[i], ">" + expected[i]);
  }
}

TEST_F(BrokerTest, ReachesTheLoopsThatHaveSubscribersAndNoOthers) {
  Client here(one.outlet);
  Client there(two.outlet);
  here.subscriptions.add(Topic::kChannel, "both");
  there.subscriptions.add(Topic::kChannel, "both");
  there.subscriptions.add(Topic::kChannel, "there");
  EXPECT_EQ(broker.publish(Topic::kChannel, "both", "1").receivers, 2u);
  EXPECT_EQ(broker.publish(Topic::kChannel, "there", "2").receivers, 1u);
  EXPECT_EQ(broker.publish(Topic::kChannel, "nowhere", "3").receivers, 0u);
  one.mailbox->deliver();
  two.mailbox->deliver();
  EXPECT_EQ(here.got.size(), 1u);
  EXPECT_EQ(there.got.size(), 2u);
}

TEST_F(BrokerTest, ASubscriptionGetsWhatIsPublishedAfterIt) {
  Client early(one.outlet);
  Client late(one.outlet);
  early.subscriptions.add(Topic::kChannel, "c");
  early.subscriptions.add(Topic::kPattern, "c*");
  broker.publish(Topic::kChannel, "c", "before");
  // The message is still on its way.
  late.subscriptions.add(Topic::kChannel, "c");
  late.subscriptions.add(Topic::kPattern, "c*");
  broker.publish(Topic::kChannel, "c", "after");
  one.mailbox->deliver();
  EXPECT_EQ(early.got.size(), 4u);
  ASSERT_EQ(late.got.size(), 2u);
  EXPECT_NE(late.got[0].find("after"), std::string::npos);
  EXPECT_NE(late.got[1].find("after"), std::string::npos);
}

TEST_F(BrokerTest, WhoUnsubscribesGetsNothingMoreAndOthersStill) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(std::make_unique<Client>(one.outlet));
    clients.back()->subscriptions.add(Topic::kChannel, "c");
  }
  broker.publish(Topic::kChannel, "c", "1");
  clients[0]->subscriptions.remove(Topic::kChannel, "c");  // another takes its place
  clients.erase(clients.begin() + 4);                      // gone, with the message on its way
  one.mailbox->deliver();
  EXPECT_TRUE(clients[0]->got.empty());
  for (std::size_t i = 1; i < clients.size(); ++i) EXPECT_EQ(clients[i]->got.size(), 1u) << i;
  EXPECT_EQ(broker.clients(Topic::kChannel, "c"), 8u);
  clients.clear();
  EXPECT_EQ(broker.size(Topic::kChannel), 0u);
}

TEST_F(BrokerTest, ALargePayloadIsThereOnceForAllSubscribers) {
  Client a(one.outlet);
  Client b(one.outlet, resp::Protocol::kResp3);
  Client c(two.outlet);
  for (Client* client : {&a, &b, &c}) client->subscriptions.add(Topic::kChannel, "c");
  broker.publish(Topic::kChannel, "c", std::string(resp::Output::kByReference, 'x'));
  one.mailbox->deliver();
  two.mailbox->deliver();
  ASSERT_EQ(a.payloads.size(), 1u);
  EXPECT_EQ(a.payloads, b.payloads);
  EXPECT_EQ(a.payloads, c.payloads);
}

TEST_F(BrokerTest, SaysWhenALoopIsBehind) {
  Client client(one.outlet);
  client.subscriptions.add(Topic::kChannel, "c");
  const std::string payload(Outlet::kLongBacklog / 2, 'x');
  EXPECT_EQ(broker.publish(Topic::kChannel, "c", payload).behind, nullptr);
  EXPECT_EQ(broker.publish(Topic::kChannel, "c", payload).behind, one.mailbox);
  EXPECT_EQ(broker.publish(Topic::kChannel, "elsewhere", payload).behind, nullptr);
  one.mailbox->deliver();
  EXPECT_EQ(broker.publish(Topic::kChannel, "c", payload).behind, nullptr);
  EXPECT_EQ(client.got.size(), 2u);
}

TEST_F(BrokerTest, SubscriptionsCountTheirMemory) {
  Client client(one.outlet);
  client.subscriptions.add(Topic::kChannel, std::string(1000, 'c'));
  EXPECT_GE(client.subscriptions.memory(), 2000u);
  client.subscriptions.add(Topic::kChannel, std::string(1000, 'c'));
  EXPECT_LT(client.subscriptions.memory(), 4000u) << "the second time changes nothing";
  client.subscriptions.clear();
  EXPECT_EQ(client.subscriptions.memory(), 0u);
}

}  // namespace
}  // namespace forebay::server
