#include "layer/write/write_path.h"

#include <utility>

#include "layer/write/behind.h"
#include "layer/write/behind/journaled_writes.h"

namespace forebay::layer {
namespace {

std::size_t place_of(config::WriteStrategy kind) {
  return static_cast<std::size_t>(kind);
}

Error nobody_remembers() {
  return {ErrorCode::kUnsupported, "there is no [journal] to remember op-ids"};
}

}  // namespace

WritePath::WritePath(const std::atomic<const Router*>& router, CopyStore& copies, KeyTable& keys,
                     KeyLoader& loader, Invalidator& invalidator, UnconfirmedWrites& unconfirmed,
                     const Clock& clock, Scheduler& scheduler, WriteTokens& tokens)
    : router_(router),
      copies_(copies),
      keys_(keys),
      loader_(loader),
      clock_(clock),
      tokens_(tokens),
      source_writes_(copies, keys, invalidator, unconfirmed, clock, scheduler, tokens) {}

void WritePath::make_strategies(JournaledWrites* journaled) {
  journaled_ = journaled;
  if (journaled != nullptr) source_writes_.set_earlier(*journaled);
  const WriteParts parts{copies_, keys_, loader_, source_writes_, *this, clock_, tokens_, journaled};
  for (const WriteStrategyRow& row : write_strategies()) strategies_[place_of(row.kind)] = row.make(parts);
}

WriteStrategy& WritePath::strategy(const config::Namespace& config) const {
  const auto& wanted = strategies_[place_of(config.write)];
  // Without a journal a program that wants writes behind gets them through.
  return wanted != nullptr ? *wanted : *strategies_[place_of(config::WriteStrategy::kThrough)];
}

WriteStrategy* WritePath::first_asked(const KeyRef& at, const WriteOptions& options) const {
  if (options.op_id.empty()) return at.space.writes;
  return journaled_ == nullptr ? nullptr : &journaled_->strategy();
}

bool WritePath::write(const KeyRef& at, Write write, WriteCallback done, const WriteOptions& options) {
  if (WriteStrategy* strategy = first_asked(at, options))
    return strategy->write(at, std::move(write), std::move(done), options);
  done(nobody_remembers());
  return false;
}

bool WritePath::write_value(const KeyRef& at, std::string_view value, WriteCallback done,
                            const WriteOptions& options) {
  if (WriteStrategy* strategy = first_asked(at, options))
    return strategy->write_value(at, value, std::move(done), options);
  done(nobody_remembers());
  return false;
}

void WritePath::when_kept(std::uint64_t first, std::uint64_t last, journal::Kept kept) {
  if (journaled_ == nullptr) return kept({});
  journaled_->when_kept(first, last, std::move(kept));
}

KeyRef WritePath::route(std::string_view key) const {
  return {router_.load(std::memory_order_acquire)->route(key), key};
}

void WritePath::write_anew(std::string_view key, Write write, WriteCallback done,
                           const WriteOptions& options) {
  this->write(route(key), std::move(write), std::move(done), options);
}

}  // namespace forebay::layer
