#include "server/resp/reply_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

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
  void reply(const std::string& text) {
    const std::size_t before = queue_.target().bytes();
    resp::Writer(queue_.target(), resp::Protocol::kResp2).simple(text);
    queue_.on_written(queue_.target().bytes() - before);
  }
  void reply_held(const std::string& text, std::uint64_t ticket, std::uint32_t command = 0) {
    const std::size_t before = queue_.target().text.size();
    reply(text);
    queue_.hold(before, ticket, command);
  }
  std::string sent() {
    queue_.settle(1 << 20);
    return std::exchange(queue_.ready(), {}).text;
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
  queue_.target().text += "+at once\r\n";
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

TEST_F(Replies, HeldOnesLeaveWithWhatFollowsOnceTheirTicketIsKept) {
  reply("before");
  reply_held("1", 10);
  reply("read");
  reply_held("2", 11);
  EXPECT_TRUE(queue_.may_start(Request::kExclusive));
  EXPECT_TRUE(queue_.loading());
  EXPECT_TRUE(queue_.ask());
  EXPECT_FALSE(queue_.ask());
  EXPECT_EQ(sent(), "+before\r\n");
  // Those that come later wait for their own.
  reply_held("3", 12);
  EXPECT_TRUE(queue_.ask());
  reply("last");
  EXPECT_EQ(queue_.held(), std::string("+1\r\n+read\r\n+2\r\n+3\r\n+last\r\n").size());
  queue_.release(11, "");
  EXPECT_EQ(sent(), "+1\r\n+read\r\n+2\r\n");
  EXPECT_TRUE(queue_.loading());
  queue_.release(12, "");
  EXPECT_EQ(sent(), "+3\r\n+last\r\n");
  EXPECT_FALSE(queue_.loading());
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.held(), 0u);
}

TEST_F(Replies, HeldOnesThatNobodyAskedForDoNotLeave) {
  reply_held("1", 10);
  EXPECT_TRUE(queue_.ask());
  reply_held("2", 11);
  queue_.release(11, "");  // somebody else's writes were kept, and these are not said to be yet
  EXPECT_EQ(sent(), "+1\r\n");
  EXPECT_TRUE(queue_.ask());
  queue_.release(11, "");
  EXPECT_EQ(sent(), "+2\r\n");
}

TEST_F(Replies, HeldOnesKeepTheirPlaceBetweenDeferredOnes) {
  const auto first = defer(Request::kConcurrent);
  complete(*first, "a");
  reply_held("1", 10);
  const auto second = defer(Request::kConcurrent);
  reply_held("2", 11);
  EXPECT_TRUE(queue_.ask());
  EXPECT_EQ(sent(), "+a\r\n");
  complete(*second, "b");
  EXPECT_EQ(sent(), "");
  queue_.release(11, "");
  EXPECT_EQ(sent(), "+1\r\n+b\r\n+2\r\n");
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.held(), 0u);
}

TEST_F(Replies, AnErrorTakesThePlaceOfHeldOnesOnly) {
  reply_held("1", 10, 7);
  reply("read");
  reply_held("2", 11, 8);
  queue_.ask();
  reply_held("3", 12, 9);
  queue_.ask();
  queue_.release(11, "UNKNOWNOUTCOME the disk is gone");
  EXPECT_EQ(sent(), "-UNKNOWNOUTCOME the disk is gone\r\n+read\r\n-UNKNOWNOUTCOME the disk is gone\r\n");
  EXPECT_EQ(queue_.take_failed(), (std::vector<std::uint32_t>{7, 8}));
  EXPECT_EQ(queue_.held(), std::string("+3\r\n").size());
  queue_.release(12, "");
  EXPECT_EQ(sent(), "+3\r\n");
  EXPECT_EQ(queue_.held(), 0u);
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
