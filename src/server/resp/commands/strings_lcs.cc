// LCS: the longest common subsequence of two strings, by the textbook table of lengths (Wagner and Fischer
// 1974). The table is what costs, so its size is bounded; that also bounds how long the command keeps its
// event loop.

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/strings.h"

namespace forebay::server {
namespace {

constexpr std::size_t kMostCells = std::size_t{16} << 20;

struct LcsOptions {
  bool length = false;
  bool indexes = false;
  bool with_match_length = false;
  std::int64_t least_match = 0;
};

// A run of bytes that both strings have, first and last position in each.
struct Match {
  std::size_t a_first, a_last, b_first, b_last;
  std::size_t length() const { return a_last - a_first + 1; }
};

class LcsTable {
 public:
  LcsTable(std::string_view a, std::string_view b)
      : a_(a), b_(b), width_(b.size() + 1), cells_((a.size() + 1) * width_) {
    for (std::size_t i = 1; i <= a.size(); ++i) {
      for (std::size_t j = 1; j <= b.size(); ++j) {
        cells_[i * width_ + j] =
            a[i - 1] == b[j - 1] ? length(i - 1, j - 1) + 1 : std::max(length(i - 1, j), length(i, j - 1));
      }
    }
  }

  // Of the first i bytes of one and the first j bytes of the other.
  std::uint32_t length(std::size_t i, std::size_t j) const { return cells_[i * width_ + j]; }
  std::uint32_t length() const { return cells_.back(); }

  // The subsequence as runs, last one first: the order in which Redis answers them.
  std::vector<Match> matches() const {
    std::vector<Match> runs;
    bool running = false;
    std::size_t i = a_.size();
    std::size_t j = b_.size();
    while (i > 0 && j > 0) {
      if (a_[i - 1] != b_[j - 1]) {
        running = false;
        if (length(i - 1, j) > length(i, j - 1)) {
          --i;
        } else {
          --j;
        }
        continue;
      }
      --i;
      --j;
      if (running) {
        --runs.back().a_first;
        --runs.back().b_first;
      } else {
        runs.push_back({i, i, j, j});
        running = true;
      }
    }
    return runs;
  }

 private:
  std::string_view a_;
  std::string_view b_;
  std::size_t width_;
  std::vector<std::uint32_t> cells_;
};

void write_range(resp::Writer& reply, std::size_t first, std::size_t last) {
  reply.array(2);
  reply.integer(static_cast<std::int64_t>(first));
  reply.integer(static_cast<std::int64_t>(last));
}

void write_matches(resp::Writer& reply, const LcsTable& table, const LcsOptions& options) {
  std::vector<Match> matches = table.matches();
  std::erase_if(matches, [&](const Match& match) {
    return static_cast<std::int64_t>(match.length()) < options.least_match;
  });
  reply.map(2);
  reply.bulk("matches");
  reply.array(matches.size());
  for (const Match& match : matches) {
    reply.array(options.with_match_length ? 3 : 2);
    write_range(reply, match.a_first, match.a_last);
    write_range(reply, match.b_first, match.b_last);
    if (options.with_match_length) reply.integer(static_cast<std::int64_t>(match.length()));
  }
  reply.bulk("len");
  reply.integer(table.length());
}

void write_lcs(resp::Writer& reply, std::string_view a, std::string_view b, const LcsOptions& options) {
  if ((a.size() + 1) > kMostCells / (b.size() + 1)) {
    return reply.error("ERR Insufficient memory, failed allocating transient memory for LCS");
  }
  const LcsTable table(a, b);
  if (options.indexes) return write_matches(reply, table, options);
  if (options.length) return reply.integer(table.length());
  std::string common;
  common.reserve(table.length());
  const auto matches = table.matches();
  for (auto match = matches.rbegin(); match != matches.rend(); ++match) {
    common.append(a.substr(match->a_first, match->length()));
  }
  reply.bulk(common);
}

std::optional<LcsOptions> parse_lcs_options(Context& context) {
  LcsOptions options;
  for (std::size_t at = 3; at < context.args.size(); ++at) {
    const std::string_view word = context.args[at];
    if (equals_ignoring_case(word, "idx")) {
      options.indexes = true;
    } else if (equals_ignoring_case(word, "len")) {
      options.length = true;
    } else if (equals_ignoring_case(word, "withmatchlen")) {
      options.with_match_length = true;
    } else if (equals_ignoring_case(word, "minmatchlen") && at + 1 < context.args.size()) {
      const auto least = parse_integer(context.args[++at]);
      if (!least) {
        context.reply.error(kNotAnInteger);
        return std::nullopt;
      }
      options.least_match = *least;
    } else {
      context.reply.error(kSyntaxError);
      return std::nullopt;
    }
  }
  if (options.length && options.indexes) {
    context.reply.error("ERR If you want both the length and indexes, please just use IDX.");
    return std::nullopt;
  }
  return options;
}

}  // namespace

void lcs(Context& context) {
  const auto options = parse_lcs_options(context);
  if (!options) return;
  const std::string_view keys[] = {context.args[1], context.args[2]};
  Value values[2];
  std::vector<std::string_view> missing;
  std::vector<std::size_t> places;
  {
    const auto guard = hold_keys(context, keys);
    for (std::size_t index = 0; index < 2; ++index) {
      const LookUp found = context.layer.look_up(
          keys[index], context.now, [&](const EntryView& entry) { values[index] = entry.value(); });
      if (found != LookUp::kLoad) continue;
      missing.push_back(keys[index]);
      places.push_back(index);
    }
  }
  if (missing.empty()) return write_lcs(context.reply, values[0].view(), values[1].view(), *options);
  load_values(context, missing,
              [first = values[0], second = values[1], places, options = *options](
                  resp::Writer& reply, const std::vector<Answer>& answers) mutable {
                for (std::size_t index = 0; index < places.size(); ++index) {
                  if (answers[index].value) (places[index] == 0 ? first : second) = *answers[index].value;
                }
                write_lcs(reply, first.view(), second.view(), options);
              });
}

}  // namespace forebay::server
