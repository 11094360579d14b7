#include "server/tracking/tracking_table.h"

#include <algorithm>
#include <utility>

#include "config/model.h"
#include "forebay/layer.h"
#include "server/tracking/current_client.h"

namespace forebay::server {
namespace {

// The key that a client asks for: of a zset's member it is the zset's.
std::string_view asked_for(const NamespaceInfo& space, std::string_view key) {
  return space.zset ? key.substr(0, key.find(config::kMemberSeparator)) : key;
}

// Whether the change is the client's own, of which it does not want to be told.
bool own(const TrackedClient& client) {
  return client.no_loop() && CurrentClient::of_this_thread().id == client.id();
}

}  // namespace

// ---- Clients

void TrackingTable::add(const std::shared_ptr<TrackedClient>& client) {
  const MutexLock lock(clients_mutex_);
  clients_.push_back(client);
}

void TrackingTable::remove(const std::shared_ptr<TrackedClient>& client,
                           const std::vector<std::string>& prefixes) {
  const MutexLock lock(clients_mutex_);
  std::erase(clients_, client);
  if (prefixes.empty() || prefixes_ == nullptr) return;
  auto fewer = std::make_shared<Prefixes>(*prefixes_);
  for (const std::string& prefix : prefixes) {
    const auto found = fewer->clients.find(prefix);
    if (found == fewer->clients.end()) continue;
    std::erase(found->second, client);
    if (found->second.empty()) fewer->clients.erase(found);
  }
  fewer->lengths.clear();
  for (const auto& [prefix, clients] : fewer->clients) fewer->lengths.push_back(prefix.size());
  std::ranges::sort(fewer->lengths);
  fewer->lengths.erase(std::ranges::unique(fewer->lengths).begin(), fewer->lengths.end());
  broadcasts_.store(!fewer->clients.empty());
  prefixes_ = std::move(fewer);
}

void TrackingTable::add_prefix(const std::string& prefix, const std::shared_ptr<TrackedClient>& client) {
  const MutexLock lock(clients_mutex_);
  auto more = prefixes_ ? std::make_shared<Prefixes>(*prefixes_) : std::make_shared<Prefixes>();
  more->clients[prefix].push_back(client);
  const auto place = std::ranges::lower_bound(more->lengths, prefix.size());
  if (place == more->lengths.end() || *place != prefix.size()) more->lengths.insert(place, prefix.size());
  prefixes_ = std::move(more);
  broadcasts_.store(true);
}

void TrackingTable::note(const NamespaceInfo& space, std::string_view key,
                         const std::shared_ptr<TrackedClient>& client) {
  const std::size_t number = number_of(key);
  const std::size_t most = this->most();
  if (most != 0 && keys_.load(std::memory_order_relaxed) >= most) make_room(number);
  Shard& shard = shards_[number];
  const MutexLock lock(shard.mutex);
  Space& noted = shard.spaces[space.index];
  auto found = noted.keys.find(key);
  if (found == noted.keys.end()) {
    keys_.fetch_add(1, std::memory_order_relaxed);
    found = noted.keys.try_emplace(std::string(key)).first;
  }
  Clients& clients = found->second.clients;
  if (std::ranges::find(clients, client) != clients.end()) return;
  noted.items -= std::erase_if(clients, [](const auto& each) { return each->ended(); });
  clients.push_back(client);
  ++noted.items;
}

void TrackingTable::make_room(std::size_t first) {
  for (std::size_t i = 0; i < kShards; ++i) {
    Shard& shard = shards_[(first + i) % kShards];
    const MutexLock lock(shard.mutex);
    for (auto& [index, space] : shard.spaces) {
      if (!space.keys.empty()) return tell_locked(shard, space, space.keys.begin());
    }
  }
}

void TrackingTable::tell_locked(Shard& shard, Space& space, Key key) {
  Noted& noted = key->second;
  space.items -= noted.clients.size();
  keys_.fetch_sub(1, std::memory_order_relaxed);
  if (noted.due) shard.due.erase(*noted.due);
  for (const auto& client : noted.clients) {
    if (!own(*client)) client->tell(key->first);
  }
  space.keys.erase(key);
}

// ---- Changes

void TrackingTable::changed(const NamespaceInfo& space, std::string_view key, KeyChange /*how*/) {
  key = asked_for(space, key);
  {
    Shard& shard = this->shard(key);
    const MutexLock lock(shard.mutex);
    if (const auto noted = shard.spaces.find(space.index); noted != shard.spaces.end()) {
      const auto found = noted->second.keys.find(key);
      if (found != noted->second.keys.end()) tell_locked(shard, noted->second, found);
    }
  }
  if (broadcasts_.load()) broadcast(key);
}

void TrackingTable::broadcast(std::string_view key) const {
  std::shared_ptr<const Prefixes> prefixes;
  {
    const MutexLock lock(clients_mutex_);
    prefixes = prefixes_;
  }
  if (prefixes == nullptr) return;
  for (const std::size_t length : prefixes->lengths) {
    if (length > key.size()) break;
    const auto found = prefixes->clients.find(key.substr(0, length));
    if (found == prefixes->clients.end()) continue;
    for (const auto& client : found->second) {
      if (!own(*client)) client->tell(key);
    }
  }
}

void TrackingTable::fresh_until(const NamespaceInfo& space, std::string_view key, Instant until) {
  key = asked_for(space, key);
  Shard& shard = this->shard(key);
  const MutexLock lock(shard.mutex);
  const auto noted = shard.spaces.find(space.index);
  if (noted == shard.spaces.end()) return;
  const auto found = noted->second.keys.find(key);
  if (found == noted->second.keys.end()) return;
  auto& due = found->second.due;
  if (due && (*due)->first == until) return;
  if (due) shard.due.erase(*due);
  due = shard.due.emplace(until, std::pair(space.index, std::string(key)));
}

void TrackingTable::upkeep(Instant now) {
  for (Shard& shard : shards_) {
    const MutexLock lock(shard.mutex);
    while (!shard.due.empty() && shard.due.begin()->first <= now) {
      // The key is there, or its time would not be.
      const auto& [index, key] = shard.due.begin()->second;
      Space& space = shard.spaces.find(index)->second;
      tell_locked(shard, space, space.keys.find(key));
    }
  }
}

// Few keys are told one by one; of many, all clients hear that everything has gone.
void TrackingTable::purged(const NamespaceInfo& space) {
  constexpr std::size_t kFew = 1000;
  std::size_t left = kFew;
  std::vector<Space> gone;
  for (Shard& shard : shards_) {
    const MutexLock lock(shard.mutex);
    const auto found = shard.spaces.find(space.index);
    if (found == shard.spaces.end()) continue;
    Space& noted = found->second;
    if (noted.keys.size() <= left) {
      left -= noted.keys.size();
      while (!noted.keys.empty()) tell_locked(shard, noted, noted.keys.begin());
    } else {
      left = 0;
      keys_.fetch_sub(noted.keys.size(), std::memory_order_relaxed);
      std::erase_if(shard.due, [&](const auto& due) { return due.second.first == space.index; });
      gone.push_back(std::move(noted));
      shard.spaces.erase(found);
    }
  }
  tell_everything(gone.empty() ? To::kBroadcasting : To::kAll);
  if (!gone.empty()) lane_->run([gone = std::move(gone)]() mutable { gone.clear(); });
}

void TrackingTable::cleared() {
  std::vector<Space> gone;
  std::vector<Due> times;
  for (Shard& shard : shards_) {
    const MutexLock lock(shard.mutex);
    for (auto& [index, space] : shard.spaces) {
      keys_.fetch_sub(space.keys.size(), std::memory_order_relaxed);
      gone.push_back(std::move(space));
    }
    shard.spaces.clear();
    times.push_back(std::exchange(shard.due, {}));
  }
  tell_everything(To::kAll);
  lane_->run([gone = std::move(gone), times = std::move(times)]() mutable {
    gone.clear();
    times.clear();
  });
}

void TrackingTable::tell_everything(To to) const {
  const MutexLock lock(clients_mutex_);
  for (const auto& client : clients_) {
    if (to == To::kAll || client->broadcast()) client->tell_everything();
  }
}

TrackingTable::Totals TrackingTable::totals() const {
  Totals totals;
  totals.keys = keys_.load(std::memory_order_relaxed);
  for (const Shard& shard : shards_) {
    const MutexLock lock(shard.mutex);
    for (const auto& [index, space] : shard.spaces) totals.items += space.items;
  }
  const MutexLock lock(clients_mutex_);
  totals.clients = clients_.size();
  totals.prefixes = prefixes_ == nullptr ? 0 : prefixes_->clients.size();
  return totals;
}

}  // namespace forebay::server
