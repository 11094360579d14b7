// LCS: the longest common subsequence of two strings, by the textbook table of lengths (Wagner and Fischer
// 1974). The table is what costs, so its size is bounded, and only small ones are filled on an event loop:
// the others go to the slow lane.

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/strings.h"
#include "server/resp/session.h"
#include "server/server.h"
#include "server/slow_lane.h"

namespace forebay::server {
namespace {

constexpr std::size_t kMostCells = std::size_t{16} << 20;
// On an event loop, at some 5 ns a cell; and in a transaction, which can't wait for the slow lane.
constexpr std::size_t kMostAtOnce = std::size_t{32} << 10;
constexpr std::size_t kMostInExec = std::size_t{512} << 10;

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

// Of the table.
bool has_at_most(std::size_t cells, std::string_view a, std::string_view b) {
  return a.size() + 1 <= cells / (b.size() + 1);
}

void write_lcs(resp::Writer& reply, std::string_view a, std::string_view b, const LcsOptions& options) {
  if (!has_at_most(kMostCells, a, b)) {
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

// Two strings, from memory or from the source, whose common subsequence the slow lane finds.
class SlowLcs : public std::enable_shared_from_this<SlowLcs> {
 public:
  SlowLcs(Context& context, const LcsOptions& options)
      : slot_(context.defer()),
        lane_(context.server.slow_lane()),
        protocol_(context.session.protocol()),
        options_(options) {}

  void start(Value a, Value b) {
    values_ = {std::move(a), std::move(b)};
    compute();
  }

  // Those of the values that are nothing are to be loaded.
  void load(Layer& layer, std::span<const std::string_view> keys,
            std::array<std::optional<Value>, 2> values) {
    int missing = 0;
    for (std::size_t index = 0; index < 2; ++index) {
      if (!values[index]) ++missing;
      values_[index] = values[index].value_or(Value());
    }
    open_.store(missing, std::memory_order_relaxed);
    for (std::size_t index = 0; index < 2; ++index) {
      if (values[index]) continue;
      layer.read(keys[index], ReadOptions{}, [self = shared_from_this(), index](Result<Answer> answer) {
        self->arrived(index, std::move(answer));
      });
    }
  }

 private:
  void arrived(std::size_t index, Result<Answer> answer) {
    if (!answer) {
      errors_[index] = std::move(answer.error());
    } else if (answer->value) {
      values_[index] = std::move(*answer->value);
    }
    // acq_rel: whoever brings it to zero sees what the other stored.
    if (open_.fetch_sub(1, std::memory_order_acq_rel) == 1) compute();
  }

  void compute() {
    for (std::optional<Error>& error : errors_) {
      if (!error) continue;
      return slot_->complete([text = error_text(*error)](resp::Writer& reply) { reply.error(text); });
    }
    lane_->run([self = shared_from_this()] {
      std::string encoded;
      resp::Writer writer(encoded, self->protocol_);
      write_lcs(writer, self->values_[0].view(), self->values_[1].view(), self->options_);
      const std::size_t bytes = encoded.size();
      self->slot_->complete(
          [encoded = std::move(encoded)](resp::Writer& reply) { reply.buffer().append(encoded); }, bytes);
    });
  }

  const std::shared_ptr<ReplySlot> slot_;
  const std::shared_ptr<SlowLane> lane_;
  const resp::Protocol protocol_;
  const LcsOptions options_;
  std::array<Value, 2> values_;
  std::array<std::optional<Error>, 2> errors_;
  std::atomic<int> open_{0};
};

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
  std::array<std::optional<Value>, 2> values;
  bool wrong = false;
  {
    const auto guard = hold_keys(context, keys);
    for (std::size_t index = 0; index < 2; ++index) {
      const LookUp found = context.layer.look_up(keys[index], context.now, [&](const EntryView& entry) {
        wrong = wrong || is_collection(entry);
        values[index] = entry.value();
      });
      if (found == LookUp::kAbsent) values[index].emplace();
    }
  }
  if (wrong) return context.reply.error("ERR The specified keys must contain string values");
  if (!values[0] || !values[1]) {
    return std::make_shared<SlowLcs>(context, *options)->load(context.layer, keys, std::move(values));
  }
  const std::string_view a = values[0]->view();
  const std::string_view b = values[1]->view();
  if (in_exec(context) && has_at_most(kMostCells, a, b) && !has_at_most(kMostInExec, a, b)) {
    return context.reply.error("ERR LCS of strings this long is not available in a transaction");
  }
  if (has_at_most(in_exec(context) ? kMostInExec : kMostAtOnce, a, b) || !has_at_most(kMostCells, a, b)) {
    return write_lcs(context.reply, a, b, *options);
  }
  std::make_shared<SlowLcs>(context, *options)->start(std::move(*values[0]), std::move(*values[1]));
}

}  // namespace forebay::server
