#include "resp/request_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace forebay::resp {
namespace {

using Request = std::vector<std::string>;

// What a stream of requests comes to, as text: requests as [a][b], then how it ended.
struct Outcome {
  std::vector<Request> requests;
  std::string end;
  bool operator==(const Outcome&) const = default;
};

// Parses `stream` as if it arrived cut into pieces of `step` bytes, the first one of `first` bytes, each time
// in other memory.
Outcome parse(std::string_view stream, const RequestLimits& limits = {}, std::size_t first = SIZE_MAX,
              std::size_t step = SIZE_MAX) {
  RequestParser parser;
  Outcome outcome;
  std::size_t begin = 0;
  std::size_t arrived = std::min(first, stream.size());
  for (;;) {
    const std::string pending(stream.substr(begin, arrived - begin));
    const RequestStatus status = parser.parse(pending, limits);
    if (status == RequestStatus::kComplete) {
      outcome.requests.emplace_back(parser.args().begin(), parser.args().end());
      begin += parser.size();
    } else if (status == RequestStatus::kIncomplete) {
      if (arrived == stream.size()) {
        outcome.end = begin == stream.size() ? "" : "incomplete";
        return outcome;
      }
      arrived += std::min(step, stream.size() - arrived);
    } else {
      outcome.end = status == RequestStatus::kForeign ? "foreign" : std::string(parser.error());
      return outcome;
    }
  }
}

Outcome parse_unauthenticated(std::string_view stream) {
  RequestLimits limits;
  limits.authenticated = false;
  return parse(stream, limits);
}

TEST(RequestParser, TakesPipelinedRequests) {
  const Outcome outcome =
      parse("*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$0\r\n\r\n$2\r\n\r\n\r\n");
  EXPECT_EQ(outcome, (Outcome{{{"GET", "a"}, {"PING"}, {"SET", "", "\r\n"}}, ""}));
}

TEST(RequestParser, ArgumentsMayHoldAnyBytes) {
  std::string stream = "*2\r\n$3\r\nGET\r\n$256\r\n";
  std::string key;
  for (int i = 0; i < 256; ++i) key.push_back(static_cast<char>(i));
  EXPECT_EQ(parse(stream + key + "\r\n"), (Outcome{{{"GET", key}}, ""}));
}

TEST(RequestParser, CountsOfZeroAndLessAskNothing) {
  EXPECT_EQ(parse("*0\r\n*-1\r\n*-10\r\n\r\nPING\r\n"), (Outcome{{{}, {}, {}, {}, {"PING"}}, ""}));
}

TEST(RequestParser, InlineRequestsFollowRedisQuoting) {
  EXPECT_EQ(parse("SET k v\r\n").requests, (std::vector<Request>{{"SET", "k", "v"}}));
  EXPECT_EQ(parse("  SET\t k   v \n").requests, (std::vector<Request>{{"SET", "k", "v"}}));
  EXPECT_EQ(parse("SET k \"a b\\x41\\n\\\"\\q\"\n").requests,
            (std::vector<Request>{{"SET", "k", "a bA\n\"q"}}));
  EXPECT_EQ(parse("SET k 'a\\'b\\n'\n").requests, (std::vector<Request>{{"SET", "k", "a'b\\n"}}));
  EXPECT_EQ(parse("SET pre\"fix ed\" \"\"\n").requests, (std::vector<Request>{{"SET", "prefix ed", ""}}));
  EXPECT_EQ(parse("ECHO \"\\x4\"\n").requests, (std::vector<Request>{{"ECHO", "x4"}}));
}

TEST(RequestParser, UnbalancedQuotesAreAProtocolError) {
  const std::string error = "ERR Protocol error: unbalanced quotes in request";
  EXPECT_EQ(parse("SET \"\"\"test-key\"\"\" v\r\n").end, error);
  EXPECT_EQ(parse("SET 'k v\r\n").end, error);
  EXPECT_EQ(parse("SET \"k\\\"\r\n").end, error);
  EXPECT_EQ(parse("SET \"k\"v\r\n").end, error);
}

TEST(RequestParser, MalformedRequestsGetRedisTexts) {
  const struct {
    std::string stream;
    std::string error;
  } cases[] = {
      {"*20000000000\r\n", "invalid multibulk length"},
      {"*2147483648\r\n", "invalid multibulk length"},
      {"*1000001\r\n", "invalid multibulk length"},
      {"*blabla\r\n", "invalid multibulk length"},
      {"*01\r\n", "invalid multibulk length"},
      {"*+1\r\n", "invalid multibulk length"},
      {"* 1\r\n", "invalid multibulk length"},
      {"*\r\n", "invalid multibulk length"},
      {"*-\r\n", "invalid multibulk length"},
      {"*-0\r\n", "invalid multibulk length"},
      {"*1\rx", "invalid multibulk length"},
      {"*99999999999999999999\r\n", "invalid multibulk length"},
      {"*1\r\nfoo\r\n", "expected '$', got 'f'"},
      {"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'"},
      {"*1\r\n\r\n", "expected '$', got '\r'"},
      {"*1\r\n$-2\r\n", "invalid bulk length"},
      {"*1\r\n$-1\r\n", "invalid bulk length"},
      {"*1\r\n$99999999999\r\n", "invalid bulk length"},
      {"*1\r\n$67108865\r\n", "invalid bulk length"},
      {"*1\r\n$9223372036854775807\r\n", "invalid bulk length"},
      {"*1\r\n$blabla\r\n", "invalid bulk length"},
      {"*1\r\n$4\r\nPINGx\r\n", "bulk string is not followed by CRLF"},
      {"*" + std::string(40, '1'), "too big mbulk count string"},
      {"*1\r\n$" + std::string(40, '1'), "too big bulk count string"},
      {std::string(65537, 'a'), "too big inline request"},
      {std::string(65537, 'a') + "\n", "too big inline request"},
  };
  for (const auto& [stream, error] : cases) {
    EXPECT_EQ(parse(stream).end, "ERR Protocol error: " + error) << stream.substr(0, 60);
    EXPECT_EQ(parse(stream, {}, 1, 1).end, "ERR Protocol error: " + error) << stream.substr(0, 60);
  }
}

TEST(RequestParser, LimitsAreTighterBeforeAuthentication) {
  EXPECT_EQ(parse_unauthenticated("*11\r\n").end, "ERR Protocol error: unauthenticated multibulk length");
  EXPECT_EQ(parse_unauthenticated("*10\r\n").end, "incomplete");
  EXPECT_EQ(parse_unauthenticated("*1\r\n$16385\r\n").end, "ERR Protocol error: unauthenticated bulk length");
  EXPECT_EQ(parse_unauthenticated("*1\r\n$16384\r\n").end, "incomplete");
}

TEST(RequestParser, LargestAllowedInlineRequestPasses) {
  const std::string word(65530, 'a');
  EXPECT_EQ(parse(word + "\r\n").requests, (std::vector<Request>{{word}}));
}

TEST(RequestParser, OtherProtocolsAreForeign) {
  EXPECT_EQ(parse("GET / HTTP/1.1\r\n").end, "foreign");
  EXPECT_EQ(parse("POST /x\r\n").end, "foreign");
  EXPECT_EQ(parse("post / HTTP/1.1\r\n").end, "foreign");
  EXPECT_EQ(parse("Host: localhost\r\n").end, "foreign");
  EXPECT_EQ(parse("\x16\x03\x01").end, "foreign");
  EXPECT_EQ(parse("GET key\r\n").requests, (std::vector<Request>{{"GET", "key"}}));
  // As an ordinary request these are only unknown commands: a browser can't send one.
  EXPECT_EQ(parse("*1\r\n$4\r\nPOST\r\n").requests, (std::vector<Request>{{"POST"}}));
}

TEST(RequestParser, EverySplitGivesTheSameRequests) {
  const std::string streams[] = {
      "*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n*0\r\n*3\r\n$3\r\nSET\r\n$0\r\n\r\n$12\r\n0123\r\n*1\r\n$"
      "4\r\nSET 'a b' \"\\x41\" c\r\n",
      "*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n%",
      "\r\n\n*-1\r\nSET \"a\r\n",
      "*1\r\n$3\r\nfoobar\r\n",
  };
  for (const std::string& stream : streams) {
    const Outcome whole = parse(stream);
    for (std::size_t first = 1; first <= stream.size(); ++first) {
      EXPECT_EQ(parse(stream, {}, first), whole) << first;
      for (std::size_t step = 1; step < 4; ++step)
        EXPECT_EQ(parse(stream, {}, first, step), whole) << first << step;
    }
  }
}

}  // namespace
}  // namespace forebay::resp
