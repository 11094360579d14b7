#include "server/clients.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/log.h"
#include "server/resp/session.h"

namespace forebay::server {

std::uint64_t ClientRegistry::next_id() {
  const MutexLock lock(mutex_);
  return ++last_id_;
}

void ClientRegistry::add(Session& session, Kill kill, Forget forget, LookAtUser look) {
  const MutexLock lock(mutex_);
  clients_.emplace(session.id(), Client{&session, std::move(kill), std::move(forget), std::move(look)});
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

bool ClientRegistry::kill(std::uint64_t id) {
  const MutexLock lock(mutex_);
  const auto found = clients_.find(id);
  if (found == clients_.end()) return false;
  found->second.kill();
  return true;
}

bool ClientRegistry::contains(std::uint64_t id) const {
  const MutexLock lock(mutex_);
  return clients_.contains(id);
}

void ClientRegistry::look_at_users(std::string_view user) {
  const MutexLock lock(mutex_);
  for (auto& [id, client] : clients_) {
    if (user.empty() || client.session->user_name() == user) client.look();
  }
}

bool ClientRegistry::forget(std::uint64_t id, std::shared_ptr<const Invalidation> what) {
  const MutexLock lock(mutex_);
  const auto found = clients_.find(id);
  if (found == clients_.end()) return false;
  found->second.forget(std::move(what));
  return true;
}

bool ClientRegistry::any_paused() const {
  const MutexLock lock(mutex_);
  return std::any_of(clients_.begin(), clients_.end(),
                     [](const auto& client) { return client.second.session->paused(); });
}

bool ClientRegistry::close_largest(std::size_t limit) {
  const MutexLock lock(mutex_);
  Client* largest = nullptr;
  std::size_t bytes = 0;
  std::size_t together = 0;
  for (auto& [id, client] : clients_) {
    if (client.session->doomed()) continue;
    const std::size_t held = client.session->memory();
    together += held;
    if (held <= bytes) continue;
    largest = &client;
    bytes = held;
  }
  if (largest == nullptr || together <= limit) return false;
  largest->session->set_doomed();
  static LogLimit log_limit;
  log_warning(log_limit,
              fmt::format("resp: closed client {}: it held {} bytes, the most of those that had come to "
                          "max_client_memory together",
                          largest->session->origin().address, bytes));
  largest->kill();
  return true;
}

}  // namespace forebay::server
