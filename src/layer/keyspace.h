#pragma once

// The keys in memory as a front sees them: which there are, what a client's own commands make of them, and
// which to drop. No source is asked.

#include <array>
#include <optional>
#include <string_view>

#include "base/database_key.h"
#include "layer/invalidate/invalidator.h"

namespace forebay::layer {

// Thread-safe.
class Keyspace {
 public:
  // `router` yields the router in force. Everything is borrowed.
  Keyspace(const std::atomic<const Router*>& router, CopyStore& copies, Invalidator& invalidator,
           const Clock& clock, Random& random)
      : router_(router), copies_(copies), invalidator_(invalidator), clock_(clock), random_(random) {}

  const Router& router() const { return *router_.load(std::memory_order_acquire); }
  KeyRef at(std::string_view key) const { return {router().route(key), key}; }

  // As Layer's calls of these names (forebay/layer.h).
  bool peek(const KeyRef& at, Instant now, FunctionRef<void(const EntryView&)> visit) const;
  Stamp stamp_for(const Namespace& space, Instant now);
  bool drop(const KeyRef& at, Instant now);
  std::uint64_t scan(std::uint64_t cursor, std::size_t count, Instant now,
                     FunctionRef<void(const EntryView&)> visit) const;
  bool random_entry(Instant now, FunctionRef<void(const EntryView&)> visit) const;
  Result<void> purge_namespace(std::string_view name);
  std::size_t purge_match(std::string_view glob);
  void purge_tag(std::string_view tag) { invalidator_.drop_tag(tag); }
  Result<bool> tag(std::string_view key, std::span<const std::string_view> tags);
  // As the functions of these names (layer/databases.h).
  void purge_database(unsigned database);
  std::array<memory::SpaceEntries, kMostDatabases> entries_of_databases() const;

 private:
  // Drops what no longer belongs to its namespace, without waiting for its room to be wanted.
  void sweep();
  // Whether a front may see the entry as its key's value.
  bool shows(const EntryView& entry, const Namespace& space) const {
    return !entry.stamp().negative && space.owns(entry.stamp());
  }

  const std::atomic<const Router*>& router_;  // read with acquire: Core publishes it with release
  CopyStore& copies_;
  Invalidator& invalidator_;
  const Clock& clock_;
  Random& random_;
};

}  // namespace forebay::layer
