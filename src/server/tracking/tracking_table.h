#pragma once

// Which clients keep which keys, and who is told when one changes.
//
// A client is noted for a key before the key is read (CLIENT TRACKING without BCAST), and told once: what it
// keeps is old from then on, and its next read notes it again. Clients that broadcast are noted for prefixes
// and told of every change. A key whose copy stays in memory after its time (stale windows) is told when that
// time comes, as no change will say so.
//
// The race: a change happens, then the table is asked; a client is noted, then the key is read. The table's lock
// puts the one before the other. Either the change finds the note, or the read finds the change.
//
// Bounded: where there are most keys already, a new one takes the place of another, whose clients are told.
// Thread-safe; its locks are leaves, but for those of the clients that it tells.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "forebay/key_listener.h"
#include "server/slow_lane.h"
#include "server/tracking/tracked_client.h"

namespace forebay::server {

class TrackingTable final : public KeyListener {
 public:
  static constexpr std::size_t kMostKeys = 1'000'000;

  // Forgetting very many keys at once is left to the lane.
  explicit TrackingTable(std::shared_ptr<SlowLane> lane) : lane_(std::move(lane)) {}

  // ---- Clients.
  void add(const std::shared_ptr<TrackedClient>& client);
  void remove(const std::shared_ptr<TrackedClient>& client, const std::vector<std::string>& prefixes);
  // Notes the client for the key, which it is about to read.
  void note(const NamespaceInfo& space, std::string_view key, const std::shared_ptr<TrackedClient>& client);
  // The client is told of every change of keys that begin with it.
  void add_prefix(const std::string& prefix, const std::shared_ptr<TrackedClient>& client);

  // ---- KeyListener
  void changed(const NamespaceInfo& space, std::string_view key, KeyChange how) override;
  void fresh_until(const NamespaceInfo& space, std::string_view key, Instant until) override;
  void purged(const NamespaceInfo& space) override;
  void cleared() override;

  // Tells of keys whose time has come. Now and then.
  void upkeep(Instant now);

  // Most keys; 0: any number. Relaxed: it stands alone.
  void set_most(std::size_t most) { most_.store(most, std::memory_order_relaxed); }
  std::size_t most() const { return most_.load(std::memory_order_relaxed); }
  struct Totals {
    std::size_t clients = 0, keys = 0, items = 0, prefixes = 0;
  };
  Totals totals() const;

 private:
  using Due = std::multimap<Instant, std::pair<std::uint32_t, std::string>>;  // namespace and key
  struct Noted {
    std::vector<std::shared_ptr<TrackedClient>> clients;
    std::optional<Due::iterator> due;  // told then at the latest
  };
  struct Space {  // the keys of one namespace
    std::unordered_map<std::string, Noted, StringHash, std::equal_to<>> keys;
    std::size_t items = 0;  // clients of all keys together
  };
  using Key = decltype(Space::keys)::iterator;
  struct alignas(64) Shard {
    mutable Mutex mutex;
    std::unordered_map<std::uint32_t, Space> spaces GUARDED_BY(mutex);  // by the namespace's index
    Due due GUARDED_BY(mutex);
  };
  static constexpr std::size_t kShards = 64;

  struct Prefixes {
    std::vector<std::size_t> lengths;  // rising
    std::unordered_map<std::string, std::vector<std::shared_ptr<TrackedClient>>, StringHash, std::equal_to<>>
        clients;
  };
  using Clients = std::vector<std::shared_ptr<TrackedClient>>;

  static std::size_t number_of(std::string_view key) { return hash_bytes(key) % kShards; }
  Shard& shard(std::string_view key) { return shards_[number_of(key)]; }
  // Forgets the key and tells its clients.
  void tell_locked(Shard& shard, Space& space, Key key) REQUIRES(shard.mutex);
  // Some key gives way, of the shard with this number or of one after it.
  void make_room(std::size_t first);
  void broadcast(std::string_view key) const;
  enum class To : bool { kAll, kBroadcasting };
  void tell_everything(To to) const;

  const std::shared_ptr<SlowLane> lane_;
  std::array<Shard, kShards> shards_;
  std::atomic<std::size_t> most_{kMostKeys};  // relaxed, as keys_: they publish nothing
  std::atomic<std::size_t> keys_{0};
  mutable Mutex clients_mutex_;
  Clients clients_ GUARDED_BY(clients_mutex_);
  std::shared_ptr<const Prefixes> prefixes_ GUARDED_BY(clients_mutex_);  // null: none
  std::atomic<bool> broadcasts_{false};                                  // whether there are prefixes
};

}  // namespace forebay::server
