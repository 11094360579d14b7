#include "resp/reply_parser.h"

#include <gtest/gtest.h>

#include <string>

namespace forebay::resp {
namespace {

std::string shown(const Reply& reply) {
  const auto list = [&reply](char open, char close) {
    std::string text(1, open);
    for (const Reply& child : reply.children) text.append(shown(child)).push_back(' ');
    return text + close;
  };
  switch (reply.kind) {
    case ReplyKind::kNull:
      return "null";
    case ReplyKind::kSimple:
      return "+" + reply.text;
    case ReplyKind::kError:
      return "-" + reply.text;
    case ReplyKind::kInteger:
      return std::to_string(reply.integer);
    case ReplyKind::kBulk:
    case ReplyKind::kVerbatim:
      return "'" + reply.text + "'";
    case ReplyKind::kReal:
      return "real " + std::to_string(reply.real);
    case ReplyKind::kBoolean:
      return reply.integer != 0 ? "true" : "false";
    case ReplyKind::kBig:
      return "big " + reply.text;
    case ReplyKind::kArray:
      return list('[', ']');
    case ReplyKind::kSet:
      return list('(', ')');
    case ReplyKind::kPush:
      return list('<', '>');
    case ReplyKind::kMap:
      return list('{', '}');
  }
  return "?";
}

// All replies of a stream that arrives in pieces of `step` bytes, then the error if there was one.
std::string parse(std::string_view stream, std::size_t step = SIZE_MAX, const ReplyLimits& limits = {}) {
  ReplyParser parser(limits);
  std::string result;
  while (!stream.empty()) {
    std::string piece(stream.substr(0, step));
    stream.remove_prefix(piece.size());
    std::string_view rest = piece;
    while (!rest.empty()) {
      const Result<bool> complete = parser.feed(rest);
      if (!complete) return result + "error: " + complete.error().message;
      if (*complete) result.append(shown(parser.take())).push_back('\n');
    }
  }
  return result + (parser.in_progress() ? "incomplete" : "");
}

constexpr std::string_view kAll =
    "+OK\r\n-ERR "
    "no\r\n:-5\r\n$3\r\na\r\n\r\n$0\r\n\r\n$-1\r\n*-1\r\n_\r\n#t\r\n,1.5\r\n,inf\r\n("
    "123456789012345678901\r\n"
    "!5\r\nERR x\r\n=6\r\ntxt:hi\r\n*2\r\n:1\r\n*1\r\n$1\r\nb\r\n%1\r\n+k\r\n~1\r\n:2\r\n>1\r\n+p\r\n*0\r\n"
    "|1\r\n+ttl\r\n:3\r\n*2\r\n:1\r\n|1\r\n+a\r\n*0\r\n:2\r\n";

TEST(ReplyParser, UnderstandsEveryType) {
  EXPECT_EQ(parse(kAll),
            "+OK\n-ERR no\n-5\n'a\r\n'\n''\nnull\nnull\nnull\ntrue\nreal 1.500000\nreal inf\nbig "
            "123456789012345678901\n"
            "-ERR x\n'hi'\n[1 ['b' ] ]\n{+k (2 ) }\n<+p >\n[]\n[1 2 ]\n");
}

TEST(ReplyParser, EverySplitGivesTheSameReplies) {
  for (std::size_t step = 1; step < 40; ++step) EXPECT_EQ(parse(kAll, step), parse(kAll)) << step;
}

TEST(ReplyParser, RefusesMalformedStreams) {
  for (const std::string_view stream :
       {"x\r\n", "\r\n", ":\r\n", ":1a\r\n", "$-2\r\n", "*-2\r\n", "$3\r\nabcd\r\n", "#x\r\n", ",x\r\n",
        "_x\r\n", "+OK\n", "=2\r\nab\r\n", "=6\r\ntxtxab\r\n", "$?\r\n", "*99999999999999999999\r\n"}) {
    EXPECT_NE(parse(stream).find("error: malformed reply"), std::string::npos) << stream;
  }
}

TEST(ReplyParser, BoundsDepthNodesBytesAndLines) {
  std::string nested;
  for (int i = 0; i < 40; ++i) nested += "*1\r\n";
  EXPECT_NE(parse(nested).find("nested too deeply"), std::string::npos);
  EXPECT_NE(parse("*4000000000\r\n").find("invalid aggregate length"), std::string::npos);
  EXPECT_NE(parse("%9223372036854775807\r\n").find("invalid aggregate length"), std::string::npos);
  EXPECT_NE(parse("$9223372036854775807\r\n").find("invalid bulk length"), std::string::npos);
  const ReplyLimits small{.max_bytes = 10, .max_nodes = 5, .max_depth = 2};
  EXPECT_NE(parse("*2\r\n$6\r\nabcdef\r\n$6\r\n", SIZE_MAX, small).find("invalid bulk length"),
            std::string::npos);
  EXPECT_NE(parse("*4\r\n*1\r\n:1\r\n*1\r\n:1\r\n:1\r\n", SIZE_MAX, small).find("too many elements"),
            std::string::npos);
  EXPECT_NE(parse("+" + std::string(70'000, 'x')).find("line too long"), std::string::npos);
}

// A client that bounds what it keeps goes on behind what is too long for it.
TEST(ReplyParser, PassesOverTextsThatAreTooLong) {
  const ReplyLimits limits{.max_bytes = 10, .max_text = 4};
  const std::string stream = "*3\r\n$4\r\nabcd\r\n$30\r\n" + std::string(30, 'x') + "\r\n$1\r\ny\r\n:7\r\n";
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, stream.size()}) {
    ReplyParser parser(limits);
    std::vector<Reply> replies;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      std::string_view bytes = std::string_view(stream).substr(at, step);
      while (!bytes.empty()) {
        const auto complete = parser.feed(bytes);
        ASSERT_TRUE(complete) << complete.error().message;
        if (*complete) replies.push_back(parser.take());
      }
    }
    ASSERT_EQ(replies.size(), 2u);
    ASSERT_EQ(replies[0].children.size(), 3u);
    EXPECT_EQ(replies[0].children[0].text, "abcd");
    EXPECT_FALSE(replies[0].children[0].cut);
    EXPECT_TRUE(replies[0].children[1].cut);
    EXPECT_EQ(replies[0].children[1].text, "");
    EXPECT_EQ(replies[0].children[2].text, "y");
    EXPECT_EQ(replies[1].integer, 7);
  }
}

}  // namespace
}  // namespace forebay::resp
