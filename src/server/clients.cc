#include "server/clients.h"

#include <utility>

#include "server/resp/session.h"

namespace forebay::server {

std::uint64_t ClientRegistry::next_id() {
  const MutexLock lock(mutex_);
  return ++last_id_;
}

void ClientRegistry::add(Session& session, Kill kill) {
  const MutexLock lock(mutex_);
  clients_.emplace(session.id(), Client{&session, std::move(kill)});
}

void ClientRegistry::remove(const Session& session) {
  const MutexLock lock(mutex_);
  clients_.erase(session.id());
}

std::size_t ClientRegistry::size() const {
  const MutexLock lock(mutex_);
  return clients_.size();
}

void ClientRegistry::for_each(FunctionRef<void(const Session&)> visit) const {
  const MutexLock lock(mutex_);
  for (const auto& [id, client] : clients_) visit(*client.session);
}

std::size_t ClientRegistry::kill_if(FunctionRef<bool(const Session&)> choose) {
  const MutexLock lock(mutex_);
  std::size_t killed = 0;
  for (auto& [id, client] : clients_) {
    if (!choose(*client.session)) continue;
    client.kill();
    ++killed;
  }
  return killed;
}

}  // namespace forebay::server
