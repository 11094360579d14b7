#include "forebay/layer.h"

#include <utility>

#include "layer/layer_impl.h"

namespace forebay {

std::string zset_entry(std::string_view key, std::string_view member) {
  std::string entry(key);
  entry += config::kMemberSeparator;
  entry += member;
  return entry;
}

struct Layer::Guard::Held {
  memory::Tier::Guard guard;
};
Layer::Guard::Guard(std::unique_ptr<Held> held) : held_(std::move(held)) {}
Layer::Guard::Guard(Guard&&) noexcept = default;
Layer::Guard::~Guard() = default;

struct Layer::Alone::Held {
  memory::Tier::Alone alone;
};
Layer::Alone::Alone(std::unique_ptr<Held> held) : held_(std::move(held)) {}
Layer::Alone::Alone(Alone&&) noexcept = default;
Layer::Alone::~Alone() = default;
void Layer::Alone::lock(std::string_view key) {
  held_->alone.lock(key);
}
void Layer::Alone::lock_all() {
  held_->alone.lock_all();
}

Layer::Layer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Layer::~Layer() = default;

namespace {

// Waits for a callback: the blocking calls stand on the others.
template <class T>
class Waited {
 public:
  auto callback() {
    return [this](Result<T> result) {
      MutexLock lock(mutex_);
      result_.emplace(std::move(result));
      // Notified with the lock held: the waiter owns this object and destroys it as soon as it can see the
      // result.
      done_.notify_one();
    };
  }
  Result<T> wait() {
    MutexLock lock(mutex_);
    done_.wait(mutex_, [this]() NO_THREAD_SAFETY_ANALYSIS { return result_.has_value(); });
    return std::move(*result_);
  }

 private:
  Mutex mutex_;
  Condition done_;
  std::optional<Result<T>> result_ GUARDED_BY(mutex_);
};

}  // namespace

Result<Answer> Layer::get(std::string_view key, const ReadOptions& options) {
  Waited<Answer> waited;
  read(key, options, waited.callback());
  dispatch();
  return waited.wait();
}

std::vector<Result<Answer>> Layer::get_many(std::span<const std::string_view> keys,
                                            const ReadOptions& options) {
  std::vector<Waited<Answer>> waited(keys.size());
  {
    const Gather together(*this);
    for (std::size_t i = 0; i < keys.size(); ++i) read(keys[i], options, waited[i].callback());
  }
  dispatch();
  std::vector<Result<Answer>> answers;
  answers.reserve(keys.size());
  for (auto& each : waited) answers.push_back(each.wait());
  return answers;
}

Result<WriteAnswer> Layer::set(std::string_view key, std::string_view value) {
  Waited<WriteAnswer> waited;
  write_value(key, value, waited.callback());
  return waited.wait();
}

Result<WriteAnswer> Layer::set_fields(std::string_view key, Fields fields) {
  Waited<WriteAnswer> waited;
  write(key, Update{std::move(fields), true}, waited.callback());
  return waited.wait();
}

Result<WriteAnswer> Layer::add(std::string_view key, std::int64_t amount) {
  Waited<WriteAnswer> waited;
  write(key, Add{route(key).value_column, std::to_string(amount), false}, waited.callback());
  return waited.wait();
}

Result<WriteAnswer> Layer::remove(std::string_view key) {
  Waited<WriteAnswer> waited;
  write(key, Remove{}, waited.callback());
  return waited.wait();
}

void Layer::read(std::string_view key, const ReadOptions& options, ReadCallback done) {
  layer::Core& core = *impl_->core;
  core.reads().read(core.at(key), core.level_of(options), std::move(done));
}

void Layer::load(std::string_view key, ReadCallback done) {
  impl_->core->reads().load(impl_->core->at(key), Level::kAny, std::move(done));
}

Layer::Gather::Gather(Layer& layer) : layer_(layer) {
  layer_.impl_->core->loads().begin_gathering();
}
Layer::Gather::~Gather() {
  layer_.impl_->core->loads().end_gathering();
}

void Layer::dispatch() {
  impl_->core->loads().dispatch();
}

// ---- Writing

bool Layer::write(std::string_view key, Write write, WriteCallback done, const WriteOptions& options) {
  layer::Core& core = *impl_->core;
  return core.writes().write(core.at(key), std::move(write), std::move(done), options);
}

bool Layer::write_value(std::string_view key, std::string_view value, WriteCallback done,
                        const WriteOptions& options) {
  layer::Core& core = *impl_->core;
  return core.writes().write_value(core.at(key), value, std::move(done), options);
}

std::optional<Result<WriteAnswer>> Layer::write_at_once(std::string_view key, const Write& write, Instant now,
                                                        const WriteOptions& options) {
  layer::Core& core = *impl_->core;
  return core.writes().write_at_once(core.at(key), write, now, options);
}

std::optional<Result<WriteAnswer>> Layer::write_value_at_once(std::string_view key, std::string_view value,
                                                              Instant now, const WriteOptions& options) {
  layer::Core& core = *impl_->core;
  return core.writes().write_value_at_once(core.at(key), value, now, options);
}

std::optional<AddAnswer> Layer::add_at_once(std::string_view key, std::int64_t amount, Instant now) {
  layer::Core& core = *impl_->core;
  return core.writes().add_at_once(core.at(key), amount, now);
}

void Layer::when_kept(std::uint64_t first, std::uint64_t last,
                      std::move_only_function<void(Result<void>)> done) {
  impl_->core->writes().when_kept(first, last, std::move(done));
}

// ---- Memory

const NamespaceInfo& Layer::route(std::string_view key) const {
  return impl_->core->route(key).info;
}

LookUp Layer::look_up(std::string_view key, Instant now, FunctionRef<void(const EntryView&)> visit) {
  layer::Core& core = *impl_->core;
  return core.reads().look_up(core.at(key), now, visit);
}

bool Layer::peek(std::string_view key, Instant now, FunctionRef<void(const EntryView&)> visit) {
  layer::Core& core = *impl_->core;
  return core.keyspace().peek(core.at(key), now, visit);
}

PutOutcome Layer::update(std::string_view key, Instant now, FunctionRef<Change(const EntryView*)> decide) {
  layer::Core& core = *impl_->core;
  return core.copies().edit(core.at(key), now, decide);
}

PutOutcome Layer::edit_collection(
    std::string_view key, Instant now, std::size_t room,
    FunctionRef<std::optional<Stamp>(const EntryView*, memory::Collection&)> edit) {
  layer::Core& core = *impl_->core;
  return core.copies().edit_collection(core.at(key), now, room, edit);
}

void Layer::listen(std::shared_ptr<KeyListener> listener) {
  impl_->core->listen(std::move(listener));
}

Stamp Layer::stamp_for(std::string_view key, Instant now) {
  layer::Core& core = *impl_->core;
  return core.keyspace().stamp_for(core.route(key), now);
}

bool Layer::drop(std::string_view key, Instant now) {
  layer::Core& core = *impl_->core;
  return core.keyspace().drop(core.at(key), now);
}

Layer::Guard Layer::lock(std::span<const std::string_view> keys, bool all) {
  return Guard(std::unique_ptr<Guard::Held>(new Guard::Held{impl_->core->tier().lock_shards(keys, all)}));
}

std::optional<Layer::Alone> Layer::try_alone() {
  auto alone = impl_->core->tier().try_alone();
  if (!alone) return std::nullopt;
  return Alone(std::unique_ptr<Alone::Held>(new Alone::Held{std::move(*alone)}));
}

bool Layer::locked_alone(std::string_view key) const {
  return impl_->core->tier().locked_alone(key);
}

std::uint64_t Layer::scan(std::uint64_t cursor, std::size_t count, Instant now,
                          FunctionRef<void(const EntryView&)> visit) {
  return impl_->core->keyspace().scan(cursor, count, now, visit);
}

bool Layer::random_entry(Instant now, FunctionRef<void(const EntryView&)> visit) {
  return impl_->core->keyspace().random_entry(now, visit);
}

std::size_t Layer::size() const {
  return impl_->core->tier().size();
}

std::optional<unsigned> Layer::frequency(std::string_view key) const {
  return impl_->core->tier().frequency(key);
}

void Layer::purge_all() {
  impl_->core->invalidator().drop_everything();
}
Result<void> Layer::purge_namespace(std::string_view name) {
  return impl_->core->keyspace().purge_namespace(name);
}
void Layer::purge_tag(std::string_view tag) {
  impl_->core->keyspace().purge_tag(tag);
}
Result<bool> Layer::tag(std::string_view key, std::span<const std::string_view> tags) {
  return impl_->core->keyspace().tag(key, tags);
}
std::size_t Layer::purge_match(std::string_view glob) {
  return impl_->core->keyspace().purge_match(glob);
}

void Layer::warm(std::span<const std::string> keys, std::move_only_function<void(Result<std::size_t>)> done) {
  impl_->core->warmer().warm({keys.begin(), keys.end()}, std::move(done));
}

void Layer::audit(std::string_view space, std::size_t sample,
                  std::move_only_function<void(Result<AuditReport>)> done) {
  impl_->core->auditor().audit(space, sample, std::move(done));
}

// ---- Writes behind

void Layer::when_flushed(std::string_view key, std::chrono::milliseconds timeout, Flushed done) {
  if (auto* journaled = impl_->core->journaled())
    return journaled->when_flushed(key, timeout, std::move(done));
  done(true);
}

void Layer::drain(std::string_view space, std::chrono::milliseconds timeout, Flushed done) {
  if (auto* journaled = impl_->core->journaled()) return journaled->drain(space, timeout, std::move(done));
  done(true);
}

bool Layer::drain(std::chrono::milliseconds timeout) {
  Waited<bool> waited;
  drain({}, timeout, waited.callback());
  return *waited.wait();
}

void Layer::dead_letters(std::string_view source, std::string_view after, std::size_t limit,
                         std::move_only_function<void(Result<std::vector<PutAside>>)> done) {
  impl_->core->dead_letters().list(source, after, limit, std::move(done));
}
void Layer::dead_letter(std::string_view id,
                        std::move_only_function<void(Result<std::optional<PutAside>>)> done) {
  impl_->core->dead_letters().find(id, std::move(done));
}
void Layer::retry_dead_letter(std::string_view id, Found done) {
  impl_->core->dead_letters().retry(id, std::move(done));
}
void Layer::edit_dead_letter(std::string_view id, std::string_view operation, Found done) {
  impl_->core->dead_letters().edit(id, operation, std::move(done));
}
void Layer::drop_dead_letter(std::string_view id, Found done) {
  impl_->core->dead_letters().drop(id, std::move(done));
}

// ---- Seeing

Explanation Layer::explain(std::string_view key) {
  return impl_->core->explain(key);
}
LayerStats Layer::stats() const {
  return impl_->core->statistics().collect();
}
void Layer::reset_stats() {
  impl_->core->statistics().reset();
}
const Clock& Layer::clock() const {
  return impl_->core->clock();
}

Result<void> Layer::set_memory(std::optional<std::size_t> limit, std::optional<std::string> policy) {
  return impl_->core->configuration().set_memory(limit, std::move(policy));
}
std::string Layer::memory_policy() const {
  return impl_->core->tier().options().policy;
}

}  // namespace forebay
