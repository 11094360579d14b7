// Geo and HyperLogLog commands where redis-server is of no help; clients/geo_clienttest.cc compares the rest with it.

#include <gtest/gtest.h>

#include <string>

#include "server/commands/harness.h"

namespace forebay::server {
namespace {

class Geo : public PlainKeys {};
class HyperLogLogs : public PlainKeys {};

TEST_F(Geo, WorksInTransactions) {
  run("GEOADD", "g", "13.361389", "38.115556", "palermo", "15.087269", "37.502669", "catania");
  run("MULTI");
  run("GEOADD", "g", "15", "37", "here");
  run("GEODIST", "g", "palermo", "catania", "km");
  run("GEORADIUS", "g", "15", "37", "100", "km", "STORE", "near");
  run("GEOSEARCHSTORE", "all", "g", "FROMMEMBER", "here", "BYRADIUS", "1000", "km", "STOREDIST");
  EXPECT_EQ(run("EXEC"), "*4|:1|$8|166.2742|:2|:3");
  EXPECT_EQ(run("ZCARD", "near"), ":2");
  EXPECT_EQ(run("ZRANGE", "all", "0", "0"), "*1|$4|here");
  EXPECT_EQ(run("GEORADIUS", "none", "15", "37", "100", "km", "STORE", "near"), ":0");
  EXPECT_EQ(run("EXISTS", "near"), ":0") << "nothing found is nothing stored";
}

TEST_F(Geo, StoresToTheKeyThatItSearches) {
  run("GEOADD", "g", "13.361389", "38.115556", "palermo", "15.087269", "37.502669", "catania");
  EXPECT_EQ(run("GEOSEARCHSTORE", "g", "g", "FROMLONLAT", "15", "37", "BYRADIUS", "100", "km"), ":1");
  EXPECT_EQ(run("ZRANGE", "g", "0", "-1"), "*1|$7|catania");
}

TEST_F(Geo, WritesCoordinatesAsRealsInResp3) {
  run("GEOADD", "g", "13.361389", "38.115556", "palermo");
  EXPECT_EQ(run3("GEOPOS", "g", "palermo", "x"), "*2|*2|,13.36138933897018433|,38.11555639549629859|_");
  EXPECT_EQ(run("GEOPOS", "g", "x"), "*1|*-1");
}

TEST_F(HyperLogLogs, SayWhatIsWrong) {
  constexpr std::string_view kNotOne = "-WRONGTYPE Key is not a valid HyperLogLog string value.";
  constexpr std::string_view kWrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
  constexpr std::string_view kCorrupt = "-INVALIDOBJ Corrupted HLL object detected";
  run("SET", "text", "x");
  run("LPUSH", "list", "x");
  run("SET", "corrupt", std::string("HYLL\1\0\0\0", 8) + std::string(8, '\x80') + "\x7f");
  EXPECT_EQ(run("PFADD", "text", "e"), kNotOne);
  EXPECT_EQ(run("PFADD", "list", "e"), kWrong);
  EXPECT_EQ(run("PFADD", "corrupt", "e"), kCorrupt);
  EXPECT_EQ(run("PFCOUNT", "corrupt"), kCorrupt);
  EXPECT_EQ(run("PFCOUNT", "none", "text"), kNotOne);
  EXPECT_EQ(run("PFMERGE", "to", "list"), kWrong);
  EXPECT_EQ(run("PFMERGE", "to", "corrupt"), kCorrupt);
  EXPECT_EQ(run("EXISTS", "to"), ":0");
  EXPECT_EQ(run("GET", "text"), "$1|x");
}

TEST_F(HyperLogLogs, AreStringsThatKeepTheirTime) {
  EXPECT_EQ(run("PFADD", "h"), ":1");
  EXPECT_EQ(run("PFADD", "h"), ":0");
  EXPECT_EQ(run("TYPE", "h"), "+string");
  EXPECT_EQ(run("OBJECT", "ENCODING", "h"), "$3|raw");
  run("EXPIRE", "h", "100");
  EXPECT_EQ(run("PFADD", "h", "a", "b"), ":1");
  EXPECT_EQ(run("PFMERGE", "h", "other"), "+OK");
  EXPECT_EQ(run("TTL", "h"), ":100");
  run("MULTI");
  run("PFADD", "h", "c");
  run("PFCOUNT", "h", "other");
  EXPECT_EQ(run("EXEC"), "*2|:1|:3");
}

TEST_F(HyperLogLogs, TakeTheEstimateThatRedisHasNoted) {
  run("PFADD", "h", "a");
  run("SETRANGE", "h", "8", std::string("\x07\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(run("PFCOUNT", "h"), ":7");
  EXPECT_EQ(run("PFADD", "h", "b"), ":1");
  EXPECT_EQ(run("PFCOUNT", "h"), ":2");
}

}  // namespace
}  // namespace forebay::server
