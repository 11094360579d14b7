#pragma once

// Sorted sets. Those of plain keys live in the memory tier (sorted_sets_*.cc); those of namespaces of type = "zset"
// are the scores of a table with a row for each member (scored_tables.cc).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "memory/collection/ranking.h"
#include "server/resp/commands/collections.h"

namespace forebay::server {

using memory::Ranking;
using memory::ScoreKey;

// ---- scored_tables.cc

// The namespace whose table has the members of this key; null if there is none.
const NamespaceInfo* scored_table(Context& context, std::string_view key);
namespace table {
void zadd(Context& context);
void zrem(Context& context);
void zincrby(Context& context);
void zscore(Context& context);
void zmscore(Context& context);
}  // namespace table

// ---- Plain keys

// As args[at] says it. Nothing: an error has been answered.
std::optional<double> parse_score(Context& context, std::string_view text,
                                  std::string_view error = "ERR value is not a valid float");

struct AddOptions {
  bool nx = false, xx = false, gt = false, lt = false, ch = false, incr = false;
  bool any() const { return nx || xx || gt || lt || ch || incr; }
};
// Of ZADD, whose scores begin at args[at] then. Nothing: an error has been answered.
std::optional<AddOptions> parse_add_options(Context& context, std::size_t& at);

// Answers an error if the key is one that has a source. True: answered.
bool refuse_sourced(Context& context, std::string_view key);
bool refuse_sourced(Context& context, std::span<const std::string_view> keys);

// The same for commands that read one key: not if it has a board (layer/key/boards.h).
bool refuse_unreadable(Context& context, std::string_view key);

// As with_collection(). `render` gets a Ranking, or null.
template <class R>
void with_ranking(Context& context, std::string_view key, R render) {
  with_collection(context, key, CollectionKind::kSortedSet,
                  [render = std::move(render)](resp::Writer& reply, Collection* all) mutable {
                    if (all == nullptr) return render(reply, static_cast<const Ranking*>(nullptr));
                    const Ranking ranking(*all);
                    render(reply, &ranking);
                  });
}

Seen see_ranking(Context& context, std::string_view key, FunctionRef<void(const Ranking&)> show);
bool edit_ranking(Context& context, std::string_view key, Missing missing, Growth growth,
                  FunctionRef<bool(Ranking&)> change);

// A member with its score, by itself.
using Scored = std::pair<std::string, double>;
// Puts a sorted set of these in the place of whatever the key has. False: an error has been answered.
bool store_scored(Context& context, std::string_view key, const std::vector<Scored>& members);

// Which members a command is about.
enum class RangeBy : std::uint8_t { kRank, kScore, kMember };
enum class Upwards : std::uint8_t { kYes, kNo };
// [from, from + count) by rank.
struct Ranks {
  std::uint32_t from = 0;
  std::uint32_t count = 0;
};
class Range {
 public:
  // From the texts of its ends, the lower one first unless it is by rank. Nothing: an error has been answered.
  static std::optional<Range> parse(Context& context, RangeBy by, std::string_view first,
                                    std::string_view last);
  // `downwards`: ranks count from the highest score.
  Ranks ranks(const Ranking& ranking, bool downwards) const;

 private:
  struct End {
    double score = 0;
    std::string member;
    bool exclusive = false;
    int infinite = 0;  // of members: -1 before all of them, 1 behind
  };
  static std::optional<End> parse_score_end(std::string_view text);
  static std::optional<End> parse_member_end(std::string_view text);

  RangeBy by_ = RangeBy::kRank;
  std::int64_t first_ = 0;
  std::int64_t last_ = 0;
  End low_;
  End high_;
};

// Takes out so many with the lowest or the highest scores.
std::vector<Scored> pop_scored(Ranking& ranking, std::int64_t count, bool highest);

// sorted_sets_read.cc
void zcard(Context& context);
void zscore(Context& context);
void zmscore(Context& context);
void zcount(Context& context);
void zlexcount(Context& context);
void zrank(Context& context);
void zrevrank(Context& context);
void zrandmember(Context& context);
void zscan(Context& context);
// sorted_sets_range.cc
void zrange(Context& context);
void zrevrange(Context& context);
void zrangebyscore(Context& context);
void zrevrangebyscore(Context& context);
void zrangebylex(Context& context);
void zrevrangebylex(Context& context);
void zrangestore(Context& context);
void zremrangebyrank(Context& context);
void zremrangebyscore(Context& context);
void zremrangebylex(Context& context);
// sorted_sets_write.cc
void zadd(Context& context);
void zincrby(Context& context);
void zrem(Context& context);
void zpopmin(Context& context);
void zpopmax(Context& context);
void zmpop(Context& context);
// sorted_sets_combine.cc
void zunion(Context& context);
void zinter(Context& context);
void zdiff(Context& context);
void zunionstore(Context& context);
void zinterstore(Context& context);
void zdiffstore(Context& context);
void zintercard(Context& context);

// A member and its score as one element of an array of pairs; RESP2: two elements. How many elements an array of so
// many has.
void write_scored(resp::Writer& reply, std::string_view member, double score);
std::size_t scored_elements(const resp::Writer& reply, std::size_t members);

}  // namespace forebay::server
