#include "layer/write/write_path.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/row_json.h"
#include "layer/noted.h"
#include "layer/read/freshness.h"
#include "layer/write/behind.h"

namespace forebay::layer {
namespace {

struct PendingWrite {
  std::string key;
  KeyFields fields;
  Write write;
  WriteCallback done;
  std::uint32_t epoch = 0;
};

// A whole value as a client sends it.
Result<Upsert> upsert_of(const Space& space, std::string_view value) {
  Upsert upsert;
  if (space.info.type != EntryType::kRow) {
    upsert.fields.emplace_back(space.config.value_column, std::string(value));
    return upsert;
  }
  auto fields = fields_of_row(value, &upsert.strings);
  if (!fields) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("namespace '{}' holds rows: {}", space.name(), fields.error().message)};
  }
  upsert.fields = std::move(*fields);
  return upsert;
}

}  // namespace

bool WritePath::write(Space& space, std::string_view key, Write write, WriteCallback done,
                      const WriteOptions& options) {
  if (!options.op_id.empty()) {
    if (behind_ != nullptr)
      return behind_->write_once(space, key, std::move(write), options.op_id, std::move(done));
    done(Error{ErrorCode::kUnsupported, "there is no [journal] to remember op-ids"});
    return false;
  }
  if (!space.info.writes_source) {
    done(
        Error{ErrorCode::kUnsupported,
              fmt::format("namespace '{}' does not write its source (write = \"aside\"): write the database, "
                          "then DEL the key",
                          space.name())});
    return false;
  }
  if (is_behind(space)) return behind_->write(space, key, std::move(write), std::move(done));
  write_through(space, key, std::move(write), std::move(done));
  return false;
}

std::optional<Result<WriteAnswer>> WritePath::write_at_once(Space& space, std::string_view key,
                                                            const Write& write, Instant now,
                                                            const WriteOptions& options) {
  if (!is_behind(space)) return std::nullopt;
  return behind_->write_at_once(space, key, write, now, options.op_id);
}

std::optional<AddAnswer> WritePath::add_at_once(Space& space, std::string_view key, std::int64_t amount,
                                                Instant now) {
  if (!is_behind(space) || space.config.kind != ValueKind::kCounter || space.config.append)
    return std::nullopt;
  return behind_->add_at_once(space, key, amount, now);
}

void WritePath::when_kept(std::uint64_t first, std::uint64_t last, journal::Kept kept) {
  if (behind_ == nullptr) return kept({});
  behind_->when_kept(first, last, std::move(kept));
}

bool WritePath::is_behind(const Space& space) const {
  return space.config.write == config::WriteStrategy::kBehind && behind_ != nullptr;
}

void WritePath::write_through(Space& space, std::string_view key, Write write, WriteCallback done) {
  const std::uint64_t hash = hash_bytes(key);
  auto pending = std::make_shared<PendingWrite>();
  pending->key = key;
  match(space.config.key, key, &pending->fields);
  pending->write = std::move(write);
  pending->done = std::move(done);
  const auto send = [this, &space, pending] {
    pending->epoch = space.epoch.load(std::memory_order_acquire);
    space.gate->write(*space.port, std::move(pending->fields), std::move(pending->write),
                      [this, &space, pending](Result<Written> result) {
                        written(space, pending->key, pending->epoch, std::move(result), pending->done);
                      });
  };
  Task start = [this, &space, pending, send] {
    if (behind_ == nullptr || !behind_->pending(pending->key)) return send();
    behind_->after_flush(pending->key, [this, &space, pending, send](bool flushed) {
      if (flushed) return send();
      written(space, pending->key, pending->epoch,
              Error{ErrorCode::kCancelled, "shutting down before the source had the key's earlier writes"},
              pending->done);
    });
  };
  if (flights_.begin_write(key, hash, start)) start();
}

void WritePath::written(Space& space, const std::string& key, std::uint32_t epoch, Result<Written> result,
                        WriteCallback& reply) {
  const std::uint64_t hash = hash_bytes(key);
  const Instant now = clock_.now();
  const bool committed = result || result.error().code == ErrorCode::kUnknownOutcome;
  WriteAnswer answer;
  Task next = flights_.end_write(key, hash, committed, [&](const WriteFence& fence) {
    const bool keep = result && space.config.write != config::WriteStrategy::kAround &&
                      !space.config.append && result->after.value && !fence.fenced &&
                      (fence.evidence == 0 || result->after.evidence >= fence.evidence);
    if (!keep) {
      tier_.erase(key, now, Departure::kInvalidated);
      if (curves_.sampled(hash)) curves_.dropped(hash);
      return;
    }
    Stamp stamp = space.stamp(epoch, now);
    stamp.version = result->after.version;
    stamp.evidence = result->after.evidence;
    set_times(space.config, stamp, now, random_);
    answer.value = Value::bytes(*result->after.value);
    const PutOutcome outcome = tier_.update(
        key, now, [&](const EntryView*) { return Change::replace(*answer.value, stamp, space.info.type); });
    note_write(curves_, space, key, hash, value_bytes(*answer.value), stamp, outcome);
    // A full or too small memory tier must not leave the old value behind.
    if (outcome != PutOutcome::kStored) tier_.erase(key, now, Departure::kInvalidated);
  });
  if (committed) {
    space.counters.add(kInvalidations);
    invalidator_.note(key, observe::Invalidation::kWrite);
  }
  if (result) {
    answer.existed = result->existed;
    answer.added = result->added;
    answer.token = tokens_.next();
    RowChange change;
    change.table = space.config.table;
    change.images = std::move(result->images);
    change.evidence = result->after.evidence;
    invalidator_.row_changed(space.config.source, change, key);
    reply(std::move(answer));
  } else {
    reply(std::move(result).error());
  }
  if (next) next();
}

WritePath::Put WritePath::put(Space& space, std::string_view key, Change change, Instant now) {
  Stamp stamp = space.stamp(space.epoch.load(std::memory_order_acquire), now);
  set_times(space.config, stamp, now, random_);
  Put put;
  const std::uint64_t hash = hash_bytes(key);
  const std::uint64_t bytes = value_bytes(change);
  change.stamp = stamp;
  change.type = space.info.type;
  flights_.fence(key, hash, 0, [&] {
    put.outcome = tier_.update(hash, key, now, [&](const EntryView* current) {
      put.existed = current && space.owns(current->stamp()) && !current->stamp().negative;
      return std::move(change);
    });
    note_write(curves_, space, key, hash, bytes, stamp, put.outcome);
    // What was there is not what it should be any more.
    if (put.outcome == PutOutcome::kFull) tier_.erase(key, now, Departure::kInvalidated);
  });
  return put;
}

void WritePath::put_aside(Space& space, std::string_view key, std::string_view value, WriteCallback done) {
  WriteAnswer answer;
  answer.value = Value::bytes(std::string(value));
  const Put stored = put(space, key, *answer.value, clock_.now());
  if (stored.outcome == PutOutcome::kFull) {
    return done(Error{ErrorCode::kOutOfMemory, "command not allowed when used memory > 'maxmemory'."});
  }
  answer.existed = stored.existed;
  answer.token = tokens_.next();
  done(std::move(answer));
}

bool WritePath::write_value(Space& space, std::string_view key, std::string_view value, WriteCallback done,
                            const WriteOptions& options) {
  if (!space.info.writes_source && options.op_id.empty()) {
    put_aside(space, key, value, std::move(done));
    return true;
  }
  auto upsert = upsert_of(space, value);
  if (!upsert) {
    done(std::move(upsert).error());
    return false;
  }
  return write(space, key, std::move(*upsert), std::move(done), options);
}

std::optional<Result<WriteAnswer>> WritePath::write_value_at_once(Space& space, std::string_view key,
                                                                  std::string_view value, Instant now,
                                                                  const WriteOptions& options) {
  if (!is_behind(space)) return std::nullopt;
  auto upsert = upsert_of(space, value);
  if (!upsert) return std::move(upsert).error();
  return behind_->write_at_once(space, key, std::move(*upsert), now, options.op_id);
}

}  // namespace forebay::layer
