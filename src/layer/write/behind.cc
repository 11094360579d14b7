#include "layer/write/behind.h"

#include <fmt/format.h>

#include <utility>

#include "base/decimal.h"
#include "base/write_condition.h"
#include "layer/write/behind/journaled_writes.h"
#include "layer/write/behind/pending.h"
#include "layer/write/source_write.h"

namespace forebay::layer {

// A write, as what is done with it under the key's lock needs it. Borrows the key and the id.
struct Behind::Prepared {
  KeyRef at;
  journal::Shape shape;
  journal::Effect effect;
  bool again = false;  // a dead letter's
  bool needs_value = false;
  bool whole = false;  // the value after it doesn't depend on the one before
  std::string_view op_id = {};
  Fingerprint fingerprint = {};
  std::optional<OpIds::First> first = {};  // it has been written before by its id
  std::uint64_t seq = 0;                   // its number, once appended
  const Write* conditional = nullptr;      // a write with a condition, borrowed
};

// The value of a key, as far as it can be told without the source.
struct Behind::Before {
  bool known = false;
  bool existed = false;              // there is a row
  std::optional<std::string> value;  // the row's; not filled in for writes that do not depend on it
  bool copied = false;               // there is a copy, and it has a value
};

struct Behind::Outcome {
  enum class Taken : std::uint8_t {
    kYes,
    kRepeated,    // it had been written before by its id
    kRefused,     // the answer says why
    kNeedsValue,  // the value before has to be loaded first
    kMoving,      // a reload is taking the namespace elsewhere
    kNotYet,      // another write of the key has the turn
  };
  Taken taken = Taken::kRefused;
  Result<WriteAnswer> answer = WriteAnswer();  // but for the value
  std::optional<std::string> value;            // the value after it, if known
};

// A write that waits for something.
struct Behind::Waiting {
  Waiting(const KeyRef& at, Write write_in, WriteCallback reply_in, std::string_view op_id_in = {},
          const Fingerprint& fingerprint = {})
      : key(at.text),
        op_id(op_id_in),
        write(std::move(write_in)),
        prepared(prepare({at.space, key, at.hash}, write)),
        reply(std::move(reply_in)) {
    prepared.op_id = op_id;
    prepared.fingerprint = fingerprint;
  }
  Waiting(const KeyRef& at, journal::Effect effect, WriteCallback reply_in)
      : key(at.text),
        prepared{{at.space, key, at.hash}, shape_of(at.space, at.text), std::move(effect), true},
        reply(std::move(reply_in)) {}

  const KeyRef& at() const { return prepared.at; }
  const config::Namespace& policy() const { return prepared.at.space.config; }

  const std::string key;
  const std::string op_id;  // empty: none
  Write write;              // as it was asked for
  Prepared prepared;
  WriteCallback reply;
};

namespace {

// What the namespace makes of a write, if it takes it.
Result<void> adapt(const Namespace& space, Write& write) {
  if (!space.config.append) return {};
  auto* whole = std::get_if<Upsert>(&write);
  if (whole == nullptr) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("namespace '{}' only takes whole rows (append = true)", space.name())};
  }
  whole->insert = true;
  return {};
}

}  // namespace

Behind::Behind(const WriteParts& parts)
    : parts_(parts), queue_(parts.journaled->queue()), op_ids_(parts.journaled->op_ids()) {
  parts.journaled->set_strategy(*this);
}

std::unique_ptr<WriteStrategy> make_behind(const WriteParts& parts) {
  return parts.journaled == nullptr ? nullptr : std::make_unique<Behind>(parts);
}

Behind::Prepared Behind::prepare(const KeyRef& at, const Write& write) {
  Prepared prepared{at, shape_of(at.space, at.text), journal::effect_of(write)};
  if (condition_of(write) != nullptr) prepared.conditional = &write;
  prepared.needs_value = std::holds_alternative<Add>(write) || prepared.conditional != nullptr;
  prepared.whole = journal::absolute(prepared.shape, prepared.effect);
  return prepared;
}

// ---- The short way

std::optional<Result<WriteAnswer>> Behind::write_at_once(const KeyRef& at, const Write& write, Instant now,
                                                         const WriteOptions& options) {
  const config::Namespace& policy = at.space.config;
  if (policy.append) return std::nullopt;
  Fingerprint fingerprint;
  if (!options.op_id.empty()) {
    if (condition_of(write) != nullptr) return std::nullopt;
    fingerprint = fingerprint_of(at.text, write);
    const auto first = op_ids_.find(options.op_id, fingerprint, now);
    if (!first) return first.error();
    if (*first) return std::nullopt;
  }
  if (auto good = check(at.space, at.text, write); !good) return std::move(good).error();
  Prepared prepared = prepare(at, write);
  prepared.op_id = options.op_id;
  prepared.fingerprint = fingerprint;
  Outcome outcome = try_once(prepared, now, false, false);
  using Taken = Outcome::Taken;
  if (outcome.taken == Taken::kYes) return std::move(outcome.answer);
  if (outcome.taken != Taken::kRefused) return std::nullopt;
  const bool full = outcome.answer.error().code == ErrorCode::kOverloaded;
  if (full && policy.when_full == config::WhenFull::kThrough && options.op_id.empty()) return std::nullopt;
  return std::move(outcome.answer);
}

std::optional<Result<WriteAnswer>> Behind::write_value_at_once(const KeyRef& at, std::string_view value,
                                                               Instant now, const WriteOptions& options) {
  auto upsert = upsert_of(at.space, value);
  if (!upsert) return std::move(upsert).error();
  return write_at_once(at, std::move(*upsert), now, options);
}

std::optional<AddAnswer> Behind::add_at_once(const KeyRef& at, std::int64_t amount, Instant now) {
  const Namespace& space = at.space;
  if (space.config.kind != ValueKind::kCounter || space.config.append) return std::nullopt;
  std::optional<AddAnswer> answer;
  parts_.keys.with_key(at, [&](bool writing) {
    if (writing || space.moving.load(std::memory_order_relaxed)) return;
    std::optional<std::int64_t> before;
    parts_.copies.find(
        at, now,
        [&](const EntryView& entry) {
          const Stamp& stamp = entry.stamp();
          if (entry.shared() != nullptr || stamp.negative || now >= stamp.fresh_until) return;
          before = integer_of(entry.bytes());
        },
        Touch::kNo);
    AddAnswer added;
    if (!before || __builtin_add_overflow(*before, amount, &added.number)) return;
    const auto seq = queue_.append({*space.place, at.text, at.hash, now},
                                   journal::Addition{space.config.value_column, amount});
    // Who writes it the long way is told why.
    if (!seq) return;
    if (space.config.durability != config::Durability::kNone) added.ticket = *seq;
    answer = added;
    parts_.copies.revise(at, Digits(added.number).view(), now);
  });
  return answer;
}

// ---- The long way

bool Behind::write(const KeyRef& at, Write write, WriteCallback done, const WriteOptions& options) {
  Fingerprint fingerprint;
  auto good = adapt(at.space, write);
  if (!options.op_id.empty()) {
    fingerprint = fingerprint_of(at.text, write);
    if (condition_of(write) != nullptr)
      good = Error{ErrorCode::kUnsupported, "an op-id is not for writes with a condition"};
    if (good) {
      const auto first = op_ids_.find(options.op_id, fingerprint, parts_.clock.now());
      if (first && *first) {
        answer_again(**first, std::move(done));
        return true;
      }
      if (!first) good = first.error();
    }
    if (good && !at.space.info.writes_behind) {
      const std::string& name = at.space.name();
      good = Error{ErrorCode::kUnsupported,
                   fmt::format("an op-id is for keys that are written behind, which those of {} are not",
                               name.empty() ? "no namespace" : "namespace '" + name + "'")};
    }
  }
  if (good) good = check(at.space, at.text, write);
  if (!good) {
    done(std::move(good).error());
    return false;
  }
  return attempt(std::make_shared<Waiting>(at, std::move(write), std::move(done), options.op_id, fingerprint),
                 false);
}

void Behind::write_again(const KeyRef& at, journal::Effect effect, WriteCallback done) {
  attempt(std::make_shared<Waiting>(at, std::move(effect), std::move(done)), true);
}

bool Behind::attempt(const WaitingPtr& waiting, bool stale_ok, bool turn) {
  using Taken = Outcome::Taken;
  Outcome outcome = try_once(waiting->prepared, parts_.clock.now(), stale_ok, turn);
  const Taken taken = outcome.taken;
  switch (taken) {
    case Taken::kNeedsValue:
      load_for(waiting);
      break;
    case Taken::kRefused:
      refuse(waiting, std::move(outcome.answer).error());
      break;
    case Taken::kMoving:
      if (waiting->prepared.again) {
        waiting->reply(Error{ErrorCode::kUnavailable, "the configuration is being reloaded: try again"});
      } else {
        parts_.journaled->moving().keep(waiting->key, std::move(waiting->write), std::move(waiting->reply),
                                        waiting->op_id);
      }
      break;
    case Taken::kNotYet:
      wait_for_turn(waiting, stale_ok);
      break;
    case Taken::kRepeated:
      answer_again(*waiting->prepared.first, std::move(waiting->reply));
      break;
    case Taken::kYes:
      answer_when_kept(waiting, std::move(outcome));
      break;
  }
  return taken == Taken::kYes || taken == Taken::kRepeated;
}

// A write of the key that goes through to the source was there before.
void Behind::wait_for_turn(const WaitingPtr& waiting, bool stale_ok) {
  Task start = [this, waiting, stale_ok] {
    attempt(waiting, stale_ok, true);
    if (Task next = parts_.keys.end_write(waiting->at(), false, [](const Fence&) {})) next();
  };
  if (parts_.keys.begin_write(waiting->at(), start)) start();
}

void Behind::refuse(const WaitingPtr& waiting, Error error) {
  const bool full = error.code == ErrorCode::kOverloaded;
  // What goes through can't be remembered in one step with being written.
  const bool through = waiting->policy().when_full == config::WhenFull::kThrough;
  if (full && through && !waiting->prepared.again && waiting->op_id.empty()) {
    return parts_.source_writes.write(waiting->at(), std::move(waiting->write), AfterCommit::kStore,
                                      std::move(waiting->reply));
  }
  waiting->reply(std::move(error));
}

void Behind::load_for(const WaitingPtr& waiting) {
  auto taken = std::make_shared<std::optional<Outcome>>();
  parts_.loader.load_for_write(
      waiting->at(),
      [this, waiting, taken](std::optional<Value>& loaded) {
        // It will be looked at again.
        if (waiting->at().space.moving.load(std::memory_order_relaxed)) return;
        Before before{true, loaded.has_value(), std::nullopt, false};
        if (loaded) before.value = loaded->view();
        Outcome& outcome = taken->emplace();
        outcome.answer = append(waiting->prepared, before, parts_.clock.now(), outcome.value);
        if (!outcome.answer || waiting->prepared.first) return;
        outcome.taken = Outcome::Taken::kYes;
        if (!outcome.answer->held) return;
        loaded.reset();
        if (outcome.value) loaded = Value::bytes(*outcome.value);
      },
      [this, waiting, taken](Result<Answer> answer) {
        if (*taken) {
          Outcome& outcome = **taken;
          if (waiting->prepared.first)
            return answer_again(*waiting->prepared.first, std::move(waiting->reply));
          if (outcome.answer) return answer_when_kept(waiting, std::move(outcome));
          return refuse(waiting, std::move(outcome.answer).error());
        }
        if (!answer) return waiting->reply(std::move(answer).error());
        attempt(waiting, true);
      });
}

void Behind::answer_when_kept(const WaitingPtr& waiting, Outcome outcome) {
  WriteAnswer& answer = *outcome.answer;
  if (outcome.value && !waiting->policy().append) answer.value = Value::bytes(std::move(*outcome.value));
  const std::uint64_t ticket = std::exchange(answer.ticket, 0);
  if (ticket == 0) return waiting->reply(std::move(outcome.answer));
  auto tell = [this, waiting, answer = std::move(outcome.answer)](Result<void> kept) mutable {
    if (!kept) {
      // The write may be gone when the journal is read again: nothing must be built on it.
      parts_.keys.with_key(waiting->at(),
                           [&](bool) { parts_.copies.drop(waiting->at(), parts_.clock.now()); });
      answer = std::move(kept).error();
    }
    waiting->reply(std::move(answer));
  };
  queue_.when_committed(ticket, ticket, std::move(tell));
}

void Behind::answer_again(const OpIds::First& first, WriteCallback done) {
  WriteAnswer answer;
  answer.existed = first.existed;
  answer.added = first.added;
  answer.token = parts_.tokens.next();
  answer.repeated = true;
  queue_.when_committed(
      first.seq, first.seq,
      [this, answer = std::move(answer), done = std::move(done)](Result<void> kept) mutable {
        if (!kept) return done(std::move(kept).error());
        op_ids_.count_repeat();
        done(std::move(answer));
      });
}

// ---- Under the key's lock

Behind::Outcome Behind::try_once(Prepared& write, Instant now, bool stale_ok, bool turn) {
  Outcome outcome;
  parts_.keys.with_key(write.at, [&](bool writing) {
    if (write.at.space.moving.load(std::memory_order_relaxed)) {
      outcome.taken = Outcome::Taken::kMoving;
    } else if (writing && !turn) {
      outcome.taken = Outcome::Taken::kNotYet;
    } else {
      outcome = take(write, now, stale_ok);
    }
  });
  return outcome;
}

Behind::Outcome Behind::take(Prepared& write, Instant now, bool stale_ok) {
  Outcome outcome;
  Namespace& space = write.at.space;
  // Before the copy is looked at: what is made of a copy that a purge then takes must not outlive it.
  const AsOf as_of = space.as_of();
  Before before = value_before(write, now, stale_ok);
  if (!before.known && write.needs_value) {
    outcome.taken = Outcome::Taken::kNeedsValue;
    return outcome;
  }
  // A dead letter says nothing of the value before it, and answers nothing about it.
  if (write.again) before = {};
  outcome.answer = append(write, before, now, outcome.value);
  if (write.first) outcome.taken = Outcome::Taken::kRepeated;
  if (!outcome.answer || write.first) return outcome;
  outcome.taken = Outcome::Taken::kYes;
  if (!outcome.answer->held) return outcome;
  if (!outcome.value && (before.known || write.whole)) {
    parts_.copies.remove(write.at, now);
  } else if (!outcome.value || space.config.append) {
    parts_.copies.drop(write.at, now);
  } else if (before.copied && !write.whole) {
    parts_.copies.revise(write.at, *outcome.value, now);
  } else {
    NewCopy copy;
    copy.bytes = *outcome.value;
    copy.as_of = as_of;
    copy.loaded_at = now;
    parts_.copies.store(write.at, std::move(copy), now);
  }
  return outcome;
}

Behind::Before Behind::value_before(const Prepared& write, Instant now, bool stale_ok) const {
  Before before;
  // The copy includes all that is pending.
  parts_.copies.find(
      write.at, now,
      [&](const EntryView& entry) {
        if (write.needs_value && !stale_ok && now >= entry.stamp().fresh_until) return;
        before.known = true;
        if (entry.stamp().negative) return;
        before.existed = before.copied = true;
        if (!write.whole || write.conditional != nullptr)
          before.value = entry.shared() ? entry.shared()->view() : entry.bytes();
      },
      Touch::kNo);
  if (before.known) return before;
  if (const auto pending = queue_.of(write.at.text, write.at.hash);
      pending && journal::absolute(write.shape, pending->steps)) {
    before.known = true;
    before.value = with_pending(write.shape, std::nullopt, pending->steps);
    before.existed = before.value.has_value();
  }
  return before;
}

Result<WriteAnswer> Behind::append(Prepared& write, const Before& before, Instant now,
                                   std::optional<std::string>& after) {
  if (write.op_id.empty()) return append_new(write, before, now, after);
  auto begun = op_ids_.begin(write.op_id, write.fingerprint, now);
  if (!begun) return std::move(begun).error();
  write.first = std::move(*begun);
  if (write.first) return WriteAnswer();
  auto answer = append_new(write, before, now, after);
  if (answer) {
    const OpIds::First first{answer->existed, answer->added, write.seq};
    op_ids_.end(write.op_id, &first);
  } else {
    op_ids_.end(write.op_id, nullptr);
  }
  return answer;
}

Result<WriteAnswer> Behind::append_new(Prepared& write, const Before& before, Instant now,
                                       std::optional<std::string>& after) {
  const Namespace& space = write.at.space;
  WriteAnswer answer;
  std::optional<std::string> merged_value;
  if (before.known) {
    answer.existed = before.existed;
    if (write.conditional != nullptr) {
      answer.before = before.value;
      answer.held =
          holds(*condition_of(*write.conditional), *write.conditional, before.existed, before.value);
      if (!answer.held) {
        answer.token = parts_.tokens.next();
        return answer;
      }
    }
    if (write.effect.insert && answer.existed) {
      return Error{ErrorCode::kRefused,
                   fmt::format("namespace '{}' takes each row once, and this one is there", space.name())};
    }
    auto merged = journal::merge(write.shape, before.value, write.effect);
    if (!merged) return Error{ErrorCode::kRefused, std::move(merged).error().message};
    merged_value = std::move(*merged);
    if (!write.effect.sums.empty()) {
      answer.added = journal::column_of(write.shape, merged_value, write.effect.sums.front().column);
    }
  } else if (write.whole) {
    if (auto merged = journal::merge(write.shape, std::nullopt, write.effect))
      merged_value = std::move(*merged);
  }
  answer.token = parts_.tokens.next();
  std::string receipt;
  if (!write.op_id.empty())
    OpIds::encode(receipt, write.op_id, write.fingerprint, {answer.existed, answer.added});
  auto seq =
      queue_.append({*space.place, write.at.text, write.at.hash, now, receipt}, std::move(write.effect));
  if (!seq) return std::move(seq).error();
  write.seq = *seq;
  if (space.config.durability != config::Durability::kNone) answer.ticket = *seq;
  after = std::move(merged_value);
  return answer;
}

}  // namespace forebay::layer
