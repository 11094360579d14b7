#include "layer/write/behind.h"

#include <fmt/format.h>

#include <utility>

#include "base/decimal.h"
#include "layer/noted.h"
#include "layer/read/freshness.h"
#include "layer/write/pending.h"

namespace forebay::layer {

// A write, as what is done with it under the key's lock needs it. Borrows the key.
struct BehindPath::Order {
  Space& space;
  std::string_view key;
  std::uint64_t hash;
  journal::Shape shape;
  journal::Effect effect;
  bool again = false;  // a dead letter's
  bool needs_value = false;
  bool whole = false;  // the value after it doesn't depend on the one before
  std::string_view op_id = {};
  Fingerprint fingerprint = {};
  std::optional<OpIds::First> first = {};  // it has been written before by its id
  std::uint64_t seq = 0;                   // its number, once appended
};

// The value of a key, as far as it can be told without the source.
struct BehindPath::Known {
  bool known = false;
  std::optional<std::string> value;  // nothing: no row
  bool copied = false;               // from the cached copy
};

struct BehindPath::Outcome {
  Taken taken = Taken::kRefused;
  Result<WriteAnswer> answer = WriteAnswer();  // but for the value
  std::optional<std::string> value;            // the one that was cached
  Stamp stamp;                                 // with which; its own where it was there before
};

// A write that waits for something.
struct BehindPath::Wish {
  Wish(Space& space, std::string_view key_in, Write write_in, WriteCallback reply_in,
       std::string_view op_id_in = {}, const Fingerprint& fingerprint = {})
      : key(key_in),
        op_id(op_id_in),
        write(std::move(write_in)),
        order(order_of(space, key, hash_bytes(key), write)),
        reply(std::move(reply_in)) {
    order.op_id = op_id;
    order.fingerprint = fingerprint;
  }
  Wish(Space& space, std::string_view key_in, journal::Effect effect, WriteCallback reply_in)
      : key(key_in),
        order{space, key, hash_bytes(key), shape_of(space, key), std::move(effect), true},
        reply(std::move(reply_in)) {}

  const std::string key;
  const std::string op_id;  // empty: none
  Write write;              // as it was asked for
  Order order;
  WriteCallback reply;
};

namespace {

// What the namespace makes of a write, if it takes it.
Result<void> adapt(const Space& space, Write& write) {
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

BehindPath::Order BehindPath::order_of(Space& space, std::string_view key, std::uint64_t hash,
                                       const Write& write) {
  Order order{space, key, hash, shape_of(space, key), journal::effect_of(write)};
  order.needs_value = std::holds_alternative<Add>(write);
  order.whole = journal::absolute(order.shape, order.effect);
  return order;
}

std::optional<Result<WriteAnswer>> BehindPath::write_at_once(Space& space, std::string_view key,
                                                             const Write& write, Instant now,
                                                             std::string_view op_id) {
  if (space.config.append) return std::nullopt;
  Fingerprint fingerprint;
  if (!op_id.empty()) {
    fingerprint = fingerprint_of(key, write);
    const auto first = op_ids_.find(op_id, fingerprint, now);
    if (!first) return first.error();
    if (*first) return std::nullopt;
  }
  if (auto good = check(space, key, write); !good) return std::move(good).error();
  Order order = order_of(space, key, hash_bytes(key), write);
  order.op_id = op_id;
  order.fingerprint = fingerprint;
  Outcome outcome = try_once(order, now, false, false);
  switch (outcome.taken) {
    case Taken::kYes:
      return std::move(outcome.answer);
    case Taken::kRefused:
      if (outcome.answer.error().code == ErrorCode::kOverloaded &&
          space.config.when_full == config::WhenFull::kThrough && op_id.empty()) {
        return std::nullopt;
      }
      return std::move(outcome.answer);
    case Taken::kRepeated:
    case Taken::kNeedsValue:
    case Taken::kHeld:
    case Taken::kNotYet:
      break;
  }
  return std::nullopt;
}

std::optional<AddAnswer> BehindPath::add_at_once(Space& space, std::string_view key, std::int64_t amount,
                                                 Instant now) {
  std::optional<AddAnswer> answer;
  const std::uint64_t hash = hash_bytes(key);
  rooms_.flights.with_key(key, hash, [&](bool writing) {
    if (writing || space.held.load(std::memory_order_relaxed)) return;
    AddAnswer added;
    std::optional<Digits> digits;
    const PutOutcome put = rooms_.tier.update(hash, key, now, [&](const EntryView* entry) -> Change {
      if (entry == nullptr || entry->shared() || !space.owns(entry->stamp()) || entry->stamp().negative ||
          now >= entry->stamp().fresh_until) {
        return Change::keep();
      }
      const auto before = integer_of(entry->bytes());
      if (!before || __builtin_add_overflow(*before, amount, &added.number)) return Change::keep();
      const auto seq = rooms_.queue.append({*space.place, key, hash, now},
                                           journal::Addition{space.config.value_column, amount});
      // Who writes it the long way is told why.
      if (!seq) return Change::keep();
      if (space.config.durability != config::Durability::kNone) added.ticket = *seq;
      answer = added;
      digits.emplace(added.number);
      return Change::revalue(digits->view());
    });
    if (answer && put != PutOutcome::kStored) drop_copy(key, hash, now);
  });
  return answer;
}

bool BehindPath::write(Space& space, std::string_view key, Write write, WriteCallback done) {
  auto good = adapt(space, write);
  if (good) good = check(space, key, write);
  if (!good) {
    done(std::move(good).error());
    return false;
  }
  return attempt(std::make_shared<Wish>(space, key, std::move(write), std::move(done)), false);
}

bool BehindPath::write_once(Space& space, std::string_view key, Write write, std::string_view op_id,
                            WriteCallback done) {
  auto good = adapt(space, write);
  const Fingerprint fingerprint = fingerprint_of(key, write);
  if (good) {
    const auto first = op_ids_.find(op_id, fingerprint, rooms_.clock.now());
    if (first && *first) {
      answer_again(**first, std::move(done));
      return true;
    }
    if (!first) good = first.error();
  }
  if (good && space.config.write != config::WriteStrategy::kBehind) {
    good = Error{ErrorCode::kUnsupported,
                 fmt::format("an op-id is for keys that are written behind, which those of {} are not",
                             space.name().empty() ? "no namespace" : "namespace '" + space.name() + "'")};
  }
  if (good) good = check(space, key, write);
  if (!good) {
    done(std::move(good).error());
    return false;
  }
  return attempt(std::make_shared<Wish>(space, key, std::move(write), std::move(done), op_id, fingerprint),
                 false);
}

void BehindPath::write_again(Space& space, std::string_view key, journal::Effect effect, WriteCallback done) {
  attempt(std::make_shared<Wish>(space, key, std::move(effect), std::move(done)), true);
}

bool BehindPath::attempt(const std::shared_ptr<Wish>& wish, bool stale_ok, bool turn) {
  Outcome outcome = try_once(wish->order, rooms_.clock.now(), stale_ok, turn);
  const Taken taken = outcome.taken;
  switch (taken) {
    case Taken::kNeedsValue:
      load_for(wish);
      break;
    case Taken::kRefused:
      refuse(wish, std::move(outcome.answer).error());
      break;
    case Taken::kHeld:
      keep_for_later(wish);
      break;
    case Taken::kNotYet:
      wait_for_turn(wish, stale_ok);
      break;
    case Taken::kRepeated:
      answer_again(*wish->order.first, std::move(wish->reply));
      break;
    case Taken::kYes:
      answer_when_kept(wish, std::move(outcome));
      break;
  }
  return taken == Taken::kYes || taken == Taken::kRepeated;
}

// A write through of the key is on its way, which was there before.
void BehindPath::wait_for_turn(const std::shared_ptr<Wish>& wish, bool stale_ok) {
  const std::uint64_t hash = wish->order.hash;
  Task start = [this, wish, hash, stale_ok] {
    attempt(wish, stale_ok, true);
    if (Task next = rooms_.flights.end_write(wish->key, hash, false, [](const WriteFence&) {})) next();
  };
  if (rooms_.flights.begin_write(wish->key, hash, start)) start();
}

void BehindPath::refuse(const std::shared_ptr<Wish>& wish, Error error) {
  Space& space = wish->order.space;
  const bool full = error.code == ErrorCode::kOverloaded;
  // What goes through can't be remembered in one step with being written.
  const bool through = space.config.when_full == config::WhenFull::kThrough;
  if (full && through && !wish->order.again && wish->op_id.empty()) {
    return rooms_.write_through(space, wish->key, std::move(wish->write), std::move(wish->reply));
  }
  wish->reply(std::move(error));
}

void BehindPath::keep_for_later(const std::shared_ptr<Wish>& wish) {
  if (wish->order.again) {
    return wish->reply(Error{ErrorCode::kUnavailable, "the configuration is being reloaded: try again"});
  }
  {
    MutexLock lock(mutex_);
    if (holds_ > 0) {
      held_.push_back({wish->key, std::move(wish->write), std::move(wish->reply), wish->op_id});
      return;
    }
  }
  rooms_.write(wish->key, std::move(wish->write), std::move(wish->reply), {wish->op_id});
}

void BehindPath::hold(const std::vector<Space*>& spaces) {
  {
    MutexLock lock(mutex_);
    ++holds_;
  }
  for (Space* space : spaces) space->held.store(true, std::memory_order_relaxed);
  // Relaxed: what is ordered is ordered by the locks that every write takes, and this passes.
  rooms_.flights.pass_all_locks();
}

void BehindPath::release(const std::vector<Space*>& spaces, bool replaced) {
  if (!replaced) {
    for (Space* space : spaces) space->held.store(false, std::memory_order_relaxed);
  }
  std::vector<Held> held;
  {
    MutexLock lock(mutex_);
    if (--holds_ == 0) held = std::exchange(held_, {});
  }
  for (Held& each : held) rooms_.write(each.key, std::move(each.write), std::move(each.done), {each.op_id});
}

void BehindPath::load_for(const std::shared_ptr<Wish>& wish) {
  auto taken = std::make_shared<std::optional<Outcome>>();
  rooms_.reads.load_for_write(
      wish->order.space, wish->key,
      [this, wish, taken](std::optional<Value>& loaded) {
        // It will be looked at again.
        if (wish->order.space.held.load(std::memory_order_relaxed)) return;
        Known value{true, std::nullopt, false};
        if (loaded) value.value = loaded->view();
        Outcome& outcome = taken->emplace();
        outcome.answer = append(wish->order, value, rooms_.clock.now());
        if (!outcome.answer || wish->order.first) return;
        outcome.taken = Taken::kYes;
        loaded.reset();
        if (value.value) loaded = Value::bytes(*value.value);
        outcome.value = std::move(value.value);
      },
      [this, wish, taken](Result<Answer> answer) {
        if (*taken) {
          Outcome& outcome = **taken;
          if (wish->order.first) return answer_again(*wish->order.first, std::move(wish->reply));
          if (outcome.answer) return answer_when_kept(wish, std::move(outcome));
          return refuse(wish, std::move(outcome.answer).error());
        }
        if (!answer) return wish->reply(std::move(answer).error());
        attempt(wish, true);
      });
}

void BehindPath::answer_when_kept(const std::shared_ptr<Wish>& wish, Outcome outcome) {
  WriteAnswer& answer = *outcome.answer;
  if (outcome.value && !wish->order.space.config.append) {
    answer.value = Value::bytes(std::move(*outcome.value));
  }
  const std::uint64_t ticket = std::exchange(answer.ticket, 0);
  if (ticket == 0) return wish->reply(std::move(outcome.answer));
  auto tell = [this, wish, answer = std::move(outcome.answer)](Result<void> kept) mutable {
    if (!kept) {
      // The write may be gone when the journal is read again: nothing must be built on it.
      rooms_.flights.with_key(wish->key, wish->order.hash, [&](bool) {
        rooms_.tier.erase(wish->key, rooms_.clock.now(), Departure::kInvalidated);
      });
      answer = std::move(kept).error();
    }
    wish->reply(std::move(answer));
  };
  rooms_.queue.when_committed(ticket, ticket, std::move(tell));
}

void BehindPath::answer_again(const OpIds::First& first, WriteCallback done) {
  WriteAnswer answer;
  answer.existed = first.existed;
  answer.added = first.added;
  answer.token = rooms_.tokens.next();
  answer.repeated = true;
  rooms_.queue.when_committed(
      first.seq, first.seq,
      [this, answer = std::move(answer), done = std::move(done)](Result<void> kept) mutable {
        if (!kept) return done(std::move(kept).error());
        op_ids_.count_repeat();
        done(std::move(answer));
      });
}

BehindPath::Outcome BehindPath::try_once(Order& order, Instant now, bool stale_ok, bool turn) {
  Outcome outcome;
  rooms_.flights.with_key(order.key, order.hash, [&](bool writing) {
    if (order.space.held.load(std::memory_order_relaxed)) {
      outcome.taken = Taken::kHeld;
    } else if (writing && !turn) {
      outcome.taken = Taken::kNotYet;
    } else {
      outcome = take(order, now, stale_ok);
    }
  });
  return outcome;
}

BehindPath::Outcome BehindPath::take(Order& order, Instant now, bool stale_ok) {
  Outcome outcome;
  const PutOutcome put =
      rooms_.tier.update(order.hash, order.key, now, [&](const EntryView* entry) -> Change {
        Known value = known(order, entry, now, stale_ok);
        if (!value.known && order.needs_value) {
          outcome.taken = Taken::kNeedsValue;
          return Change::keep();
        }
        if (order.again) value = {};
        outcome.answer = append(order, value, now);
        if (order.first) outcome.taken = Taken::kRepeated;
        if (!outcome.answer || order.first) return Change::keep();
        outcome.taken = Taken::kYes;
        outcome.value = std::move(value.value);
        if (!outcome.value || order.space.config.append) return Change::erase();
        if (value.copied && !order.whole && !entry->stamp().negative) {
          outcome.stamp = entry->stamp();
          return Change::revalue(*outcome.value);
        }
        outcome.stamp = order.space.stamp(order.space.epoch.load(std::memory_order_acquire), now);
        set_times(order.space.config, outcome.stamp, now, rooms_.random);
        return Change::replace(*outcome.value, outcome.stamp);
      });
  if (outcome.taken == Taken::kYes) note(order, outcome, put, now);
  return outcome;
}

BehindPath::Known BehindPath::known(const Order& order, const EntryView* entry, Instant now,
                                    bool stale_ok) const {
  Known found;
  // The copy includes all that is pending.
  if (entry != nullptr && order.space.owns(entry->stamp()) &&
      (!order.needs_value || stale_ok || now < entry->stamp().fresh_until)) {
    found.known = found.copied = true;
    if (entry->stamp().negative) return found;
    found.value = entry->shared() ? entry->shared()->view() : entry->bytes();
    return found;
  }
  if (const auto pending = rooms_.queue.of(order.key, order.hash);
      pending && journal::absolute(order.shape, pending->steps)) {
    found.known = true;
    found.value = with_pending(order.shape, std::nullopt, pending->steps);
  }
  return found;
}

Result<WriteAnswer> BehindPath::append(Order& order, Known& value, Instant now) {
  if (order.op_id.empty()) return append_new(order, value, now);
  auto begun = op_ids_.begin(order.op_id, order.fingerprint, now);
  if (!begun) return std::move(begun).error();
  order.first = std::move(*begun);
  if (order.first) return WriteAnswer();
  auto answer = append_new(order, value, now);
  if (answer) {
    const OpIds::First first{answer->existed, answer->added, order.seq};
    op_ids_.end(order.op_id, &first);
  } else {
    op_ids_.end(order.op_id, nullptr);
  }
  return answer;
}

Result<WriteAnswer> BehindPath::append_new(Order& order, Known& value, Instant now) {
  const Space& space = order.space;
  WriteAnswer answer;
  std::optional<std::string> after;
  if (value.known) {
    answer.existed = value.value.has_value();
    if (order.effect.insert && answer.existed) {
      return Error{ErrorCode::kRefused,
                   fmt::format("namespace '{}' takes each row once, and this one is there", space.name())};
    }
    auto merged = journal::merge(order.shape, value.value, order.effect);
    if (!merged) return Error{ErrorCode::kRefused, std::move(merged).error().message};
    after = std::move(*merged);
    if (!order.effect.sums.empty()) {
      answer.added = journal::column_of(order.shape, after, order.effect.sums.front().column);
    }
  } else if (order.whole) {
    if (auto merged = journal::merge(order.shape, std::nullopt, order.effect)) after = std::move(*merged);
  }
  answer.token = rooms_.tokens.next();
  std::string receipt;
  if (!order.op_id.empty()) {
    OpIds::encode(receipt, order.op_id, order.fingerprint, {answer.existed, answer.added});
  }
  auto seq =
      rooms_.queue.append({*space.place, order.key, order.hash, now, receipt}, std::move(order.effect));
  if (!seq) return std::move(seq).error();
  order.seq = *seq;
  if (space.config.durability != config::Durability::kNone) answer.ticket = *seq;
  value.value = std::move(after);
  return answer;
}

void BehindPath::note(const Order& order, const Outcome& outcome, PutOutcome put, Instant now) {
  if (outcome.value && !order.space.config.append) {
    note_write(rooms_.curves, order.space, order.key, order.hash, outcome.value->size(), outcome.stamp, put);
    // A full or too small memory tier must not leave the old value behind.
    if (put != PutOutcome::kStored) drop_copy(order.key, order.hash, now);
  } else if (rooms_.curves.sampled(order.hash)) {
    rooms_.curves.dropped(order.hash);
  }
}

void BehindPath::drop_copy(std::string_view key, std::uint64_t hash, Instant now) {
  rooms_.tier.erase(key, now, Departure::kInvalidated);
  if (rooms_.curves.sampled(hash)) rooms_.curves.dropped(hash);
}

}  // namespace forebay::layer
