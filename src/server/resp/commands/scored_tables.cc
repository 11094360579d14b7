// Sorted sets whose members are rows: the scores of a table with a row for each member (type = "zset"). Each member is an entry of
// its own, at zset_entry(key, member).

#include <atomic>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/sorted_sets.h"
#include "server/resp/commands/subcommand.h"
#include "server/resp/commands/value_types.h"
#include "server/resp/session.h"

namespace forebay::server {
namespace {

// As a column takes it. Nothing: an error has been answered.
std::optional<std::string> score_of(Context& context, std::string_view text) {
  const auto score = parse_float(text);
  if (!score) {
    context.reply.error(kNotAFloat);
    return std::nullopt;
  }
  if (std::isinf(*score)) {
    context.reply.error("ERR a score that a table keeps must be finite");
    return std::nullopt;
  }
  return format_float(*score);
}

// An op-id names one write, and each member is one. True: an error has been answered.
bool refuse_several(Context& context, std::size_t members) {
  if (context.op_id.empty() || members == 1) return false;
  context.reply.error("ERR FOREBAY ONCE takes one member: each is a write of its own");
  return true;
}

void write_score(resp::Writer& reply, std::optional<std::string_view> text) {
  if (!text) return reply.null();
  const auto score = parse_float(*text);
  if (!score) return reply.error("ERR the member's score is not a valid float");
  reply.real(static_cast<double>(*score));
}

// The writes of one command's members. The last one to end answers: with the first error, or with how many of
// the answers count.
class Writes {
 public:
  using Counts = std::move_only_function<bool(std::size_t index, const WriteAnswer& answer) const>;

  Writes(std::shared_ptr<ReplySlot> slot, std::size_t count, Counts counts)
      : slot_(std::move(slot)), counts_(std::move(counts)), errors_(count), counted_(count), open_(count) {}

  void ended(std::size_t index, Result<WriteAnswer> answer, const std::shared_ptr<Writes>& self) {
    if (answer) {
      counted_[index] = counts_(index, *answer) ? 1 : 0;
    } else {
      errors_[index] = std::move(answer.error());
    }
    // Released and acquired: whoever brings it to zero sees what the others stored.
    if (open_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    slot_->complete([self](resp::Writer& reply) { self->write(reply); });
  }

 private:
  void write(resp::Writer& reply) const {
    for (const auto& error : errors_) {
      if (error) return reply.error(error_text(*error));
    }
    std::int64_t sum = 0;
    for (const char one : counted_) sum += one;
    reply.integer(sum);
  }

  std::shared_ptr<ReplySlot> slot_;
  const Counts counts_;
  std::vector<std::optional<Error>> errors_;
  std::vector<char> counted_;
  std::atomic<std::size_t> open_;  // lowered with acquire and release: see ended()
};

void write_all(Context& context, std::vector<std::pair<std::string, Write>> members, Writes::Counts counts) {
  auto writes = std::make_shared<Writes>(context.defer(), members.size(), std::move(counts));
  bool in_effect = true;
  for (std::size_t i = 0; i < members.size(); ++i) {
    in_effect &= context.layer.write(
        members[i].first, std::move(members[i].second),
        [writes, i](Result<WriteAnswer> answer) { writes->ended(i, std::move(answer), writes); },
        {context.op_id});
  }
  if (in_effect) context.session.control().in_effect();
}

WriteCondition condition_of(const AddOptions& options) {
  WriteCondition condition;
  if (options.nx) condition.row = WriteCondition::Row::kAbsent;
  if (options.xx) condition.row = WriteCondition::Row::kPresent;
  if (options.gt) condition.than = WriteCondition::Than::kGreater;
  if (options.lt) condition.than = WriteCondition::Than::kLess;
  return condition;
}

bool changed(const WriteAnswer& answer, const std::string& score) {
  if (!answer.held) return false;
  if (!answer.existed || !answer.before) return true;
  return parse_float(*answer.before) != parse_float(score);
}

// ZADD key INCR increment member
void add_to_score(Context& context, const NamespaceInfo& space, const AddOptions& options, std::size_t at) {
  auto amount = score_of(context, context.args[at]);
  if (!amount) return;
  Add add{space.value_column, std::move(*amount), true};
  if (options.nx || options.xx || options.gt || options.lt) add.condition = condition_of(options);
  write_source(context, zset_entry(context.args[1], context.args[at + 1]), std::move(add),
               [](resp::Writer& reply, const WriteAnswer& answer) {
                 const bool done = answer.held && answer.added;
                 write_score(reply, done ? std::optional<std::string_view>(*answer.added) : std::nullopt);
               });
}

}  // namespace

const NamespaceInfo* scored_table(Context& context, std::string_view key) {
  if (key.find('\0') != std::string_view::npos) return nullptr;  // no part of an entry's key
  const NamespaceInfo& space = context.layer.route(zset_entry(key, "m"));
  return space.zset ? &space : nullptr;
}

namespace table {

// Each member is a write of its own: what its options ask is decided where it is made.
void zadd(Context& context) {
  const NamespaceInfo* space = scored_table(context, context.args[1]);
  std::size_t at = 2;
  const auto options = parse_add_options(context, at);
  if (!options) return;
  if (options->incr) return add_to_score(context, *space, *options, at);
  std::vector<std::pair<std::string, Write>> members;
  std::vector<std::string> scores;
  for (; at < context.args.size(); at += 2) {
    auto score = score_of(context, context.args[at]);
    if (!score) return;
    scores.push_back(*score);
    Update update{{{space->value_column, std::move(*score)}}, !options->xx};
    if (options->any()) update.condition = condition_of(*options);
    members.emplace_back(zset_entry(context.args[1], context.args[at + 1]), std::move(update));
  }
  if (refuse_several(context, members.size())) return;
  write_all(context, std::move(members),
            [scores = std::move(scores), ch = options->ch](std::size_t index, const WriteAnswer& answer) {
              return ch ? changed(answer, scores[index]) : answer.held && !answer.existed;
            });
}

void zrem(Context& context) {
  std::vector<std::pair<std::string, Write>> members;
  for (const std::string_view member : keys_from(context, 2))
    members.emplace_back(zset_entry(context.args[1], member), Remove{});
  if (refuse_several(context, members.size())) return;
  write_all(context, std::move(members),
            [](std::size_t, const WriteAnswer& answer) { return answer.existed; });
}

void zincrby(Context& context) {
  const NamespaceInfo* space = scored_table(context, context.args[1]);
  auto amount = score_of(context, context.args[2]);
  if (!amount) return;
  Add add{space->value_column, std::move(*amount), true};
  write_source(context, zset_entry(context.args[1], context.args[3]), std::move(add),
               [](resp::Writer& reply, const WriteAnswer& answer) {
                 write_score(reply,
                             answer.added ? std::optional<std::string_view>(*answer.added) : std::nullopt);
               });
}

void zscore(Context& context) {
  with_value(context, zset_entry(context.args[1], context.args[2]), write_score);
}

void zmscore(Context& context) {
  std::vector<std::string> entries;
  for (const std::string_view member : context.args.subspan(2)) {
    entries.push_back(zset_entry(context.args[1], member));
  }
  const std::vector<std::string_view> keys(entries.begin(), entries.end());
  load_values(context, keys, [](resp::Writer& reply, const std::vector<Answer>& answers) {
    reply.array(answers.size());
    for (const Answer& answer : answers) {
      write_score(reply, answer.value ? std::optional(answer.value->view()) : std::nullopt);
    }
  });
}

}  // namespace table
}  // namespace forebay::server
