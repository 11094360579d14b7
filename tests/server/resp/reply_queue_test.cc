#include "server/resp/reply_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace forebay::server {
namespace {

using Request = ReplyQueue::Request;

class Replies : public testing::Test {
 protected:
  std::shared_ptr<ReplyQueue::Pending> defer(Request request) {
    return queue_.defer(request, 0, resp::Protocol::kResp2, false);
  }
  void complete(ReplyQueue::Pending& pending, const std::string& text) {
    queue_.complete(pending, [text](resp::Writer& reply) { reply.simple(text); }, 0);
  }
  std::string sent() {
    queue_.settle(1 << 20);
    return std::exchange(queue_.ready(), {});
  }

  ReplyQueue queue_;
};

TEST_F(Replies, ReadsStartTogetherAndAWriteWaitsForThem) {
  const auto first = defer(Request::kConcurrent);
  EXPECT_TRUE(queue_.may_start(Request::kConcurrent));
  EXPECT_FALSE(queue_.may_start(Request::kExclusive));
  const auto second = defer(Request::kConcurrent);
  complete(*second, "2");
  EXPECT_FALSE(queue_.may_start(Request::kExclusive));
  complete(*first, "1");
  EXPECT_TRUE(queue_.may_start(Request::kExclusive));
  EXPECT_EQ(sent(), "+1\r\n+2\r\n");
}

TEST_F(Replies, NothingStartsBesideAWriteThatIsNotInEffect) {
  const auto write = defer(Request::kExclusive);
  EXPECT_FALSE(queue_.may_start(Request::kConcurrent));
  EXPECT_FALSE(queue_.may_start(Request::kExclusive));
  complete(*write, "OK");
  EXPECT_TRUE(queue_.may_start(Request::kExclusive));
  EXPECT_EQ(sent(), "+OK\r\n");
}

TEST_F(Replies, EverythingStartsBesideWritesThatAreInEffectAndIsAnsweredInOrder) {
  const auto first = defer(Request::kExclusive);
  queue_.in_effect();
  EXPECT_TRUE(queue_.may_start(Request::kConcurrent));
  EXPECT_TRUE(queue_.may_start(Request::kExclusive));
  const auto second = defer(Request::kExclusive);
  EXPECT_FALSE(queue_.may_start(Request::kConcurrent));
  queue_.in_effect();
  const auto read = defer(Request::kConcurrent);
  EXPECT_FALSE(queue_.may_start(Request::kExclusive));
  complete(*read, "read");
  EXPECT_TRUE(queue_.may_start(Request::kExclusive));
  queue_.target() += "+at once\r\n";
  EXPECT_EQ(sent(), "");
  complete(*second, "2");
  complete(*first, "1");
  EXPECT_EQ(sent(), "+1\r\n+2\r\n+read\r\n+at once\r\n");
}

TEST_F(Replies, AWriteThatWasAnsweredAtOnceHoldsNobodyUp) {
  complete(*defer(Request::kExclusive), "OK");
  queue_.in_effect();
  EXPECT_TRUE(queue_.may_start(Request::kConcurrent));
  const auto next = defer(Request::kExclusive);
  EXPECT_FALSE(queue_.may_start(Request::kExclusive));
  complete(*next, "OK");
  EXPECT_TRUE(queue_.may_start(Request::kExclusive));
}

TEST_F(Replies, OnlySoManyAreOpenAtOnce) {
  for (std::size_t i = 0; i < ReplyQueue::kMaxOpen; ++i) {
    ASSERT_TRUE(queue_.may_start(Request::kExclusive));
    defer(Request::kExclusive);
    queue_.in_effect();
  }
  EXPECT_FALSE(queue_.may_start(Request::kExclusive));
  EXPECT_FALSE(queue_.may_start(Request::kConcurrent));
}

}  // namespace
}  // namespace forebay::server
