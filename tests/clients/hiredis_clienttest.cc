// hiredis, the C client, through its blocking calls.

#include <hiredis/hiredis.h>

#include <memory>
#include <string>

#include "clients/served.h"

namespace forebay {
namespace {

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

class Hiredis : public Served {
 protected:
  Hiredis() : connection_(redisConnect("127.0.0.1", port())) {
    if (connection_ == nullptr || connection_->err != 0) throw std::runtime_error("redisConnect failed");
  }
  ~Hiredis() override { redisFree(connection_); }

  template <class... Args>
  Reply command(const char* format, Args... args) {
    Reply reply(static_cast<redisReply*>(redisCommand(connection_, format, args...)));
    if (!reply) throw std::runtime_error(connection_->errstr);
    return reply;
  }

  redisContext* connection_;
};

TEST_F(Hiredis, AnswersKeepTheirTypes) {
  EXPECT_EQ(command("SET %s %b", "a", "x\0y", std::size_t{3})->type, REDIS_REPLY_STATUS);
  const Reply value = command("GET a");
  EXPECT_EQ(value->type, REDIS_REPLY_STRING);
  EXPECT_EQ(std::string(value->str, value->len), std::string("x\0y", 3));
  EXPECT_EQ(command("GET none")->type, REDIS_REPLY_NIL);
  EXPECT_EQ(command("STRLEN a")->integer, 3);
  const Reply error = command("INCR a");
  EXPECT_EQ(error->type, REDIS_REPLY_ERROR);
  EXPECT_STREQ(error->str, "ERR value is not an integer or out of range");
  const Reply row = command("HGETALL pkg:curl");
  EXPECT_EQ(row->type, REDIS_REPLY_ARRAY);
  EXPECT_EQ(row->elements, 6u);
}

TEST_F(Hiredis, PipelinedRepliesKeepTheirOrder) {
  constexpr int kCount = 1000;
  for (int i = 0; i < kCount; ++i) {
    redisAppendCommand(connection_, "SET k%d %d", i, i);
    redisAppendCommand(connection_, i % 2 == 0 ? "GET k%d" : "GET pkg:missing%d", i);
  }
  for (int i = 0; i < kCount; ++i) {
    void* raw = nullptr;
    ASSERT_EQ(redisGetReply(connection_, &raw), REDIS_OK);
    EXPECT_EQ(Reply(static_cast<redisReply*>(raw))->type, REDIS_REPLY_STATUS);
    ASSERT_EQ(redisGetReply(connection_, &raw), REDIS_OK);
    const Reply value(static_cast<redisReply*>(raw));
    if (i % 2 == 0) {
      ASSERT_EQ(value->type, REDIS_REPLY_STRING);
      EXPECT_EQ(value->str, std::to_string(i));
    } else {
      EXPECT_EQ(value->type, REDIS_REPLY_NIL);
    }
  }
}

}  // namespace
}  // namespace forebay
