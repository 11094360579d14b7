#include "server/resp/commands/access.h"

#include <algorithm>
#include <atomic>
#include <cctype>

#include "server/resp/commands/arguments.h"
#include "server/resp/mailbox.h"
#include "server/resp/session.h"
#include "server/server.h"
#include "server/slow_lane.h"

namespace forebay::server {
namespace {

std::string_view reply_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kConfig:
    case ErrorCode::kUnsupported:
      return "ERR";
    case ErrorCode::kRefused:
      return "REFUSED";
    case ErrorCode::kConflict:
      return "CONFLICT";
    case ErrorCode::kUnavailable:
      return "UNAVAILABLE";
    case ErrorCode::kTimeout:
      return "TIMEOUT";
    case ErrorCode::kOverloaded:
      return "OVERLOADED";
    case ErrorCode::kUnknownOutcome:
      return "UNKNOWNOUTCOME";
    case ErrorCode::kOutOfMemory:
      return "OOM";
    case ErrorCode::kCancelled:
      return "CANCELLED";
    case ErrorCode::kInternal:
      break;
  }
  return "INTERNAL";
}

std::string upper_case(std::string_view text) {
  std::string upper(text);
  for (char& letter : upper) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  return upper;
}

std::size_t kept_by(const Answer& answer) {
  return answer.value ? answer.value->view().size() : 0;
}

// The answers of one command's keys while they come in, from any thread. The last one completes the reply.
class Gathering : public std::enable_shared_from_this<Gathering> {
 public:
  // Keys of one part. Far fewer than may wait for a source (source.max_queue), far more than one query takes.
  static constexpr std::size_t kPart = 2'000;

  Gathering(Context& context, RenderAll render, std::span<const std::string_view> keys)
      : layer_(context.layer),
        slot_(context.defer()),
        render_(std::move(render)),
        most_bytes_(context.server.limits().max_output_buffer.load(std::memory_order_relaxed)),
        answers_(keys.size()) {
    if (keys.size() <= kPart) return;
    mailbox_ = context.session.control().mailbox();
    later_.assign(keys.begin() + kPart, keys.end());
  }

  // Asks for the keys from the `first` one on, on the connection's loop thread, which dispatches them.
  template <class Key>
  void ask(std::size_t first, std::span<const Key> keys) {
    open_.store(keys.size(), std::memory_order_relaxed);
    const Layer::Gather together(layer_);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      layer_.read(keys[i], ReadOptions{},
                  [self = shared_from_this(), index = first + i](Result<Answer> answer) {
                    self->arrived(index, std::move(answer));
                  });
    }
  }

 private:
  void arrived(std::size_t index, Result<Answer> answer) {
    if (answer) {
      bytes_.fetch_add(kept_by(*answer), std::memory_order_relaxed);
      answers_[index] = std::move(*answer);
    } else {
      const MutexLock lock(mutex_);
      if (!error_ || index < error_->first) error_.emplace(index, std::move(answer.error()));
    }
    // acq_rel: whoever brings it to zero sees what the others stored.
    if (open_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    const bool enough = failed() || bytes_.load(std::memory_order_relaxed) > most_bytes_;
    if (asked_ < later_.size() && !enough) {
      return mailbox_->post([self = shared_from_this()] { self->ask_next(); });
    }
    if (enough) answers_.clear();
    const std::size_t bytes = enough ? 0 : bytes_.load(std::memory_order_relaxed);
    slot_->complete([self = shared_from_this()](resp::Writer& reply) { self->write(reply); }, bytes);
  }

  void ask_next() {
    if (!slot_->wanted()) return;
    const std::size_t first = asked_;
    asked_ = std::min(later_.size(), first + kPart);
    ask(kPart + first, std::span<const std::string>(later_).subspan(first, asked_ - first));
    layer_.dispatch();
  }

  bool failed() {
    const MutexLock lock(mutex_);
    return error_.has_value();
  }

  void write(resp::Writer& reply) {
    {
      const MutexLock lock(mutex_);
      if (error_) return reply.error(error_text(error_->second));
    }
    if (answers_.empty()) {
      return reply.error("ERR the values come to more than server.max_output_buffer: ask for fewer keys");
    }
    render_(reply, answers_);
  }

  Layer& layer_;
  std::shared_ptr<ReplySlot> slot_;
  RenderAll render_;
  const std::size_t most_bytes_;
  std::vector<Answer> answers_;
  std::vector<std::string> later_;    // keys of the parts after the first
  std::size_t asked_ = 0;             // of later_
  std::shared_ptr<Mailbox> mailbox_;  // set where there are parts after the first
  Mutex mutex_;
  // Of the first key that failed, with its index.
  std::optional<std::pair<std::size_t, Error>> error_ GUARDED_BY(mutex_);
  std::atomic<std::size_t> bytes_{0};
  std::atomic<std::size_t> open_{0};
};

WriteCallback answer_write(Context& context, RenderWrite render) {
  return [slot = context.defer(), render = std::move(render)](Result<WriteAnswer> answer) mutable {
    slot->complete([answer = std::move(answer), render = std::move(render)](resp::Writer& reply) mutable {
      if (!answer) return reply.error(error_text(answer.error()));
      render(reply, *answer);
    });
  };
}

void answer_at_once(Context& context, const Result<WriteAnswer>& answer, RenderWrite& render) {
  if (!answer) return context.reply.error(error_text(answer.error()));
  render(context.reply, *answer);
  if (answer->ticket != 0) context.session.control().hold_reply(answer->ticket);
}

}  // namespace

std::string error_text(const Error& error) {
  std::string text(reply_code(error.code));
  return text.append(" ").append(error.message);
}

std::string_view command_name(const Context& context) {
  const Command* command = find_command(context.args[0]);
  return command == nullptr ? context.args[0] : command->name;
}

std::size_t longest_string(const Context& context) {
  // Relaxed: the limit stands alone.
  return context.server.limits().max_value.load(std::memory_order_relaxed);
}

bool is_bound(Context& context, std::string_view key) {
  return context.layer.route(key).bound;
}

bool refuse_bound(Context& context, std::string_view key) {
  const NamespaceInfo& space = context.layer.route(key);
  if (!space.bound) return false;
  context.reply.error("ERR " + upper_case(command_name(context)) +
                      " is not available on keys of namespace '" + space.name + "', which have a source");
  return true;
}

bool refuse_bound(Context& context, std::span<const std::string_view> keys) {
  return std::any_of(keys.begin(), keys.end(),
                     [&](std::string_view key) { return refuse_bound(context, key); });
}

bool refuse_op_id(Context& context) {
  if (context.op_id.empty()) return false;
  context.reply.error("ERR FOREBAY ONCE is for keys that are written behind, and this one is plain");
  return true;
}

std::optional<Layer::Guard> hold_keys(Context& context, std::span<const std::string_view> keys) {
  if (in_exec(context) || keys.size() < 2) return std::nullopt;
  const auto any_bound = [&] {
    return std::any_of(keys.begin(), keys.end(),
                       [&](std::string_view key) { return is_bound(context, key); });
  };
  if (any_bound()) return std::nullopt;
  std::optional<Layer::Guard> guard(context.layer.lock(keys));
  // A reload may have bound one before it was held, but not since.
  if (any_bound()) guard.reset();
  return guard;
}

std::vector<std::string_view> keys_from(const Context& context, std::size_t first, std::size_t step) {
  std::vector<std::string_view> keys;
  keys.reserve((context.args.size() - first + step - 1) / step);
  for (std::size_t at = first; at < context.args.size(); at += step) keys.push_back(context.args[at]);
  return keys;
}

std::string_view error_of(PutOutcome outcome) {
  switch (outcome) {
    case PutOutcome::kStored:
    case PutOutcome::kKept:
      break;
    case PutOutcome::kTooLarge:
      return "OOM value is larger than memory.max_value or memory.max_share allows; the key now has none";
    case PutOutcome::kFull:
      return kOutOfMemoryError;
  }
  return {};
}

bool stored_or_error(Context& context, PutOutcome outcome) {
  const std::string_view error = error_of(outcome);
  if (!error.empty()) context.reply.error(error);
  return error.empty();
}

LookUp find_entry(Context& context, std::string_view key, FunctionRef<void(const EntryView&)> visit) {
  if (context.session.no_touch() && !is_bound(context, key)) {
    return context.layer.peek(key, context.now, visit) ? LookUp::kAnswered : LookUp::kAbsent;
  }
  return context.layer.look_up(key, context.now, visit);
}

void load_value(Context& context, std::string_view key, Render render) {
  auto slot = context.defer();
  context.layer.read(
      key, ReadOptions{},
      [slot = std::move(slot), render = std::move(render)](Result<Answer> answer) mutable {
        const std::size_t bytes = answer ? kept_by(*answer) : 0;
        slot->complete(
            [answer = std::move(answer), render = std::move(render)](resp::Writer& reply) mutable {
              if (!answer) return reply.error(error_text(answer.error()));
              if (!answer->value) return render(reply, std::nullopt);
              if (answer->value->is_object()) return reply.error(kWrongType);  // a collection
              reply.lend(&*answer->value);
              render(reply, answer->value->view());
              reply.lend(nullptr);
            },
            bytes);
      });
}

void load_values(Context& context, std::span<const std::string_view> keys, RenderAll render) {
  const auto gathering = std::make_shared<Gathering>(context, std::move(render), keys);
  gathering->ask(0, keys.first(std::min(keys.size(), Gathering::kPart)));
}

void answer_slowly(Context& context, std::move_only_function<Prepared()> work) {
  context.server.slow_lane()->run([slot = context.defer(), work = std::move(work)]() mutable {
    Prepared prepared = work();
    slot->complete(std::move(prepared.write), prepared.bytes);
  });
}

void write_source(Context& context, std::string_view key, Write write, RenderWrite render) {
  const WriteOptions options{context.op_id};
  if (const auto answer = context.layer.write_at_once(key, write, context.now, options))
    return answer_at_once(context, *answer, render);
  if (context.layer.write(key, std::move(write), answer_write(context, std::move(render)), options))
    context.session.control().in_effect();
}

void write_source_value(Context& context, std::string_view key, std::string_view value, RenderWrite render) {
  const WriteOptions options{context.op_id};
  if (const auto answer = context.layer.write_value_at_once(key, value, context.now, options))
    return answer_at_once(context, *answer, render);
  if (context.layer.write_value(key, value, answer_write(context, std::move(render)), options))
    context.session.control().in_effect();
}

}  // namespace forebay::server
