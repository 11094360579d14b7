#include "layer/write/behind.h"

#include <fmt/format.h>

#include <atomic>
#include <utility>

#include "layer/noted.h"
#include "layer/read/freshness.h"
#include "layer/router.h"
#include "layer/write/pending.h"

namespace forebay::layer {

// One write on its way.
struct BehindPath::Wish {
  Wish(Space& space_in, std::string_view key_in, WriteCallback reply_in)
      : space(space_in), key(key_in), hash(hash_bytes(key_in)), reply(std::move(reply_in)) {}

  Space& space;
  const std::string key;
  const std::uint64_t hash;
  journal::Shape shape;
  Write write;  // as it was asked for
  journal::Effect effect;
  bool again = false;  // a dead letter's
  bool needs_value = false;
  bool whole = false;  // the value after it doesn't depend on the one before
  WriteCallback reply;
  Result<WriteAnswer> answer = WriteAnswer();
  // The reply goes when both have ended, in either order: the step under the key's lock, and the journal.
  std::atomic<int> open{2};
};

// The value before a write, as far as it can be told without the source.
struct BehindPath::Known {
  bool known = false;
  std::optional<std::string> value;  // nothing: no row
  bool copied = false;               // from the cached copy, whose stamp this is
  Stamp stamp;
};

bool BehindPath::write(Space& space, std::string_view key, Write write, WriteCallback done) {
  if (space.config.append) {
    auto* whole = std::get_if<Upsert>(&write);
    if (whole == nullptr) {
      done(Error{ErrorCode::kUnsupported,
                 fmt::format("namespace '{}' only takes whole rows (append = true)", space.name())});
      return false;
    }
    whole->insert = true;
  }
  if (auto good = check(space, key, write); !good) {
    done(std::move(good).error());
    return false;
  }
  auto wish = std::make_shared<Wish>(space, key, std::move(done));
  KeyFields fields;
  match(space.config.key, key, &fields);
  wish->shape = shape_of(space, fields);
  wish->needs_value = std::holds_alternative<Add>(write);
  wish->effect = journal::effect_of(write);
  wish->write = std::move(write);
  const journal::Step step{wish->effect, 0, 0, 1};
  wish->whole = journal::absolute(wish->shape, {&step, 1});
  return attempt(wish, false);
}

void BehindPath::write_again(Space& space, std::string_view key, journal::Effect effect, WriteCallback done) {
  auto wish = std::make_shared<Wish>(space, key, std::move(done));
  KeyFields fields;
  match(space.config.key, key, &fields);
  wish->shape = shape_of(space, fields);
  wish->effect = std::move(effect);
  wish->again = true;
  attempt(wish, true);
}

bool BehindPath::attempt(const std::shared_ptr<Wish>& wish, bool stale_ok, bool turn) {
  Taken taken = Taken::kRefused;
  rooms_.flights.with_key(wish->key, wish->hash, [&](bool writing) {
    if (wish->space.held.load(std::memory_order_relaxed)) {
      taken = Taken::kHeld;
    } else if (writing && !turn) {
      taken = Taken::kNotYet;
    } else {
      taken = take(wish, stale_ok);
    }
  });
  switch (taken) {
    case Taken::kNeedsValue:
      load_for(wish);
      break;
    case Taken::kRefused:
      refuse(wish);
      break;
    case Taken::kHeld:
      keep_for_later(wish);
      break;
    case Taken::kNotYet:
      wait_for_turn(wish, stale_ok);
      break;
    case Taken::kYes:
      finish(wish);
      break;
  }
  return taken == Taken::kYes;
}

// A write through of the key is on its way, which was there before.
void BehindPath::wait_for_turn(const std::shared_ptr<Wish>& wish, bool stale_ok) {
  Task start = [this, wish, stale_ok] {
    attempt(wish, stale_ok, true);
    if (Task next = rooms_.flights.end_write(wish->key, wish->hash, false, [](const WriteFence&) {})) next();
  };
  if (rooms_.flights.begin_write(wish->key, wish->hash, start)) start();
}

void BehindPath::refuse(const std::shared_ptr<Wish>& wish) {
  const bool full = wish->answer.error().code == ErrorCode::kOverloaded;
  if (full && wish->space.config.when_full == config::WhenFull::kThrough && !wish->again) {
    return rooms_.write_through(wish->space, wish->key, std::move(wish->write), std::move(wish->reply));
  }
  wish->reply(std::move(wish->answer));
}

void BehindPath::keep_for_later(const std::shared_ptr<Wish>& wish) {
  if (wish->again) {
    return wish->reply(Error{ErrorCode::kUnavailable, "the configuration is being reloaded: try again"});
  }
  {
    MutexLock lock(mutex_);
    if (holds_ > 0) {
      held_.push_back({wish->key, std::move(wish->write), std::move(wish->reply)});
      return;
    }
  }
  rooms_.write(wish->key, std::move(wish->write), std::move(wish->reply));
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
  for (Held& each : held) rooms_.write(each.key, std::move(each.write), std::move(each.done));
}

void BehindPath::load_for(const std::shared_ptr<Wish>& wish) {
  auto taken = std::make_shared<std::optional<bool>>();
  rooms_.reads.load_for_write(
      wish->space, wish->key,
      [this, wish, taken](std::optional<Value>& loaded) {
        std::optional<std::string> value;
        if (wish->space.held.load(std::memory_order_relaxed)) return;  // it will be looked at again
        if (loaded) value = loaded->view();
        *taken = append(wish, &value);
        if (!**taken) return;
        loaded.reset();
        if (value) loaded = Value::bytes(std::move(*value));
      },
      [this, wish, taken](Result<Answer> answer) {
        if (*taken) return **taken ? finish(wish) : refuse(wish);
        if (!answer) return wish->reply(std::move(answer).error());
        attempt(wish, true);
      });
}

BehindPath::Taken BehindPath::take(const std::shared_ptr<Wish>& wish, bool stale_ok) {
  const Instant now = rooms_.clock.now();
  Known before = known(*wish, now, stale_ok);
  if (!before.known && wish->needs_value) return Taken::kNeedsValue;
  if (wish->again) before = {};
  if (!append(wish, before.known ? &before.value : nullptr)) return Taken::kRefused;
  store(*wish, before, now);
  return Taken::kYes;
}

BehindPath::Known BehindPath::known(const Wish& wish, Instant now, bool stale_ok) const {
  Known found;
  // The copy includes all that is pending.
  rooms_.tier.find(
      wish.hash, wish.key, now,
      [&](const EntryView& entry) {
        const Stamp& stamp = entry.stamp();
        if (!wish.space.owns(stamp)) return;
        if (wish.needs_value && !stale_ok && now >= stamp.fresh_until) return;
        found.known = found.copied = true;
        found.stamp = stamp;
        if (!stamp.negative) found.value = entry.value().view();
      },
      Touch::kYes);
  if (found.known) return found;
  if (const auto pending = rooms_.queue.of(wish.key);
      pending && journal::absolute(wish.shape, pending->steps)) {
    found.known = true;
    found.value = with_pending(wish.shape, std::nullopt, pending->steps);
  }
  return found;
}

bool BehindPath::append(const std::shared_ptr<Wish>& wish, std::optional<std::string>* value) {
  const Space& space = wish->space;
  WriteAnswer answer;
  const journal::Step step{wish->effect, 0, 0, 1};
  std::optional<std::string> after;
  if (value != nullptr) {
    answer.existed = value->has_value();
    if (wish->effect.insert && answer.existed) {
      wish->answer =
          Error{ErrorCode::kRefused,
                fmt::format("namespace '{}' takes each row once, and this one is there", space.name())};
      return false;
    }
    auto merged = journal::merge(wish->shape, *value, {&step, 1});
    if (!merged) {
      wish->answer = Error{ErrorCode::kRefused, std::move(merged).error().message};
      return false;
    }
    after = std::move(*merged);
    if (!wish->effect.sums.empty()) {
      answer.added = journal::column_of(wish->shape, after, wish->effect.sums.front().column);
    }
    if (after && !space.config.append) answer.value = Value::bytes(*after);
  } else if (wish->whole) {
    after = with_pending(wish->shape, std::nullopt, {&step, 1});
    if (after) answer.value = Value::bytes(*after);
  }
  answer.token = rooms_.tokens.next();
  wish->answer = std::move(answer);
  const journal::Queue::Wanted wanted{
      space.config.source,
      space.name(),
      wish->key,
      {space.config.flush_every, space.config.flush_batch, space.config.flush_bytes},
      // Both list the same words in the same order.
      static_cast<journal::Durability>(space.config.durability)};
  auto appended = rooms_.queue.append(wanted, std::move(wish->effect),
                                      [this, wish](Result<void> result) { kept(wish, std::move(result)); });
  if (!appended) {
    wish->answer = std::move(appended).error();
    return false;
  }
  if (value != nullptr) *value = std::move(after);
  return true;
}

void BehindPath::store(const Wish& wish, const Known& before, Instant now) {
  const auto erase = [&] {
    rooms_.tier.erase(wish.key, now, Departure::kInvalidated);
    if (rooms_.curves.sampled(wish.hash)) rooms_.curves.dropped(wish.hash);
  };
  const std::optional<Value>& value = wish.answer->value;
  if (!value || wish.space.config.append) return erase();
  Stamp stamp = before.stamp;
  if (wish.whole || !before.copied || stamp.negative) {
    stamp = wish.space.stamp(wish.space.epoch.load(std::memory_order_acquire), now);
    set_times(wish.space.config, stamp, now, rooms_.random);
  }
  const PutOutcome outcome =
      rooms_.tier.update(wish.key, now, [&](const EntryView*) { return Change::replace(*value, stamp); });
  note_write(rooms_.curves, wish.space, wish.key, wish.hash, value_bytes(*value), stamp, outcome);
  if (outcome != PutOutcome::kStored) erase();
}

// On the journal's thread; for durability "none" inside append(), and then it has been kept.
void BehindPath::kept(const std::shared_ptr<Wish>& wish, Result<void> kept) {
  if (!kept) {
    // The write may be gone at the next start: nothing must be built on it.
    rooms_.flights.with_key(wish->key, wish->hash, [&](bool) {
      wish->answer = std::move(kept).error();
      rooms_.tier.erase(wish->key, rooms_.clock.now(), Departure::kInvalidated);
    });
  }
  finish(wish);
}

void BehindPath::finish(const std::shared_ptr<Wish>& wish) {
  if (wish->open.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  wish->reply(std::move(wish->answer));
}

}  // namespace forebay::layer
