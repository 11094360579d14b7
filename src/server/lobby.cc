#include "server/lobby.h"

#include <algorithm>

namespace forebay::server {

Lobby::Room Lobby::room(std::size_t max_clients) {
  constexpr std::size_t kLeast = 16;  // where max_clients is small
  return {std::max(max_clients / 16, std::min(kLeast, max_clients)),
          std::max<std::size_t>(max_clients / 2, 1)};
}

std::uint64_t Lobby::enter(std::uint64_t id, std::string_view address, const Room& room) {
  const MutexLock lock(mutex_);
  std::uint64_t leaves = 0;
  if (const auto same = by_address_.find(address);
      same != by_address_.end() && same->second.size() >= room.per_address) {
    leaves = *same->second.begin();
  } else if (clients_.size() >= room.in_all) {
    leaves = clients_.begin()->first;
  }
  if (leaves != 0) remove_locked(leaves);
  clients_.emplace(id, address);
  auto found = by_address_.find(address);
  if (found == by_address_.end()) found = by_address_.emplace(address, std::set<std::uint64_t>()).first;
  found->second.insert(id);
  return leaves;
}

void Lobby::leave(std::uint64_t id) {
  const MutexLock lock(mutex_);
  remove_locked(id);
}

std::uint64_t Lobby::take_oldest() {
  const MutexLock lock(mutex_);
  if (clients_.empty()) return 0;
  const std::uint64_t oldest = clients_.begin()->first;
  remove_locked(oldest);
  return oldest;
}

void Lobby::remove_locked(std::uint64_t id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  const auto same = by_address_.find(found->second);
  same->second.erase(id);
  if (same->second.empty()) by_address_.erase(same);
  clients_.erase(found);
}

}  // namespace forebay::server
