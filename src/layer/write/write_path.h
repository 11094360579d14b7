#pragma once

// What happens to a write: the strategies, and who is asked first.

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string_view>

#include "journal/journal.h"
#include "layer/namespaces/router.h"
#include "layer/write/registry.h"
#include "layer/write/source_write.h"

namespace forebay::layer {

class WritePath final : public WriteDoor {
 public:
  // `router` yields the router in force. Everything is borrowed.
  WritePath(const std::atomic<const Router*>& router, CopyStore& copies, KeyTable& keys, KeyLoader& loader,
            Invalidator& invalidator, UnconfirmedWrites& unconfirmed, const Clock& clock,
            Scheduler& scheduler, WriteTokens& tokens);

  // Before the first request and before strategy(). Null: there is no [journal]. Borrowed.
  void make_strategies(JournaledWrites* journaled);
  // How the keys of a namespace with these settings are written.
  WriteStrategy& strategy(const config::Namespace& config) const;

  // As Layer's calls of these names.
  bool write(const KeyRef& at, Write write, WriteCallback done, const WriteOptions& options = {});
  bool write_value(const KeyRef& at, std::string_view value, WriteCallback done,
                   const WriteOptions& options = {});
  std::optional<Result<WriteAnswer>> write_at_once(const KeyRef& at, const Write& write, Instant now,
                                                   const WriteOptions& options = {}) {
    return at.space.writes->write_at_once(at, write, now, options);
  }
  std::optional<Result<WriteAnswer>> write_value_at_once(const KeyRef& at, std::string_view value,
                                                         Instant now, const WriteOptions& options = {}) {
    return at.space.writes->write_value_at_once(at, value, now, options);
  }
  std::optional<AddAnswer> add_at_once(const KeyRef& at, std::int64_t amount, Instant now) {
    return at.space.writes->add_at_once(at, amount, now);
  }
  void when_kept(std::uint64_t first, std::uint64_t last, journal::Kept kept);

  // WriteDoor
  KeyRef route(std::string_view key) const override;
  void write_anew(std::string_view key, Write write, WriteCallback done,
                  const WriteOptions& options) override;

 private:
  // Who is asked first: a write with an id may have been written before, whatever its namespace does now.
  // Null: nobody remembers ids.
  WriteStrategy* first_asked(const KeyRef& at, const WriteOptions& options) const;

  const std::atomic<const Router*>& router_;  // read with acquire: Core publishes it with release
  CopyStore& copies_;
  KeyTable& keys_;
  KeyLoader& loader_;
  const Clock& clock_;
  WriteTokens& tokens_;
  SourceWrites source_writes_;
  JournaledWrites* journaled_ = nullptr;
  std::array<std::unique_ptr<WriteStrategy>, config::kWriteStrategies> strategies_;
};

}  // namespace forebay::layer
