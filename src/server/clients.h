#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>

#include "base/mutex.h"
#include "forebay/function_ref.h"

namespace forebay::server {

class Session;

// All connected clients, for CLIENT LIST and CLIENT KILL. Thread-safe. Touched when clients come and go and
// by those two commands only.
class ClientRegistry {
 public:
  // Closes one client from any thread; must not block or call back.
  using Kill = std::move_only_function<void()>;

  std::uint64_t next_id();
  // The session stays valid until remove() has returned.
  void add(Session& session, Kill kill);
  void remove(const Session& session);
  std::size_t size() const;

  // Visits the clients, oldest first, with the registry locked.
  void for_each(FunctionRef<void(const Session&)> visit) const;
  // Closes those for which `choose` says so, and returns how many.
  std::size_t kill_if(FunctionRef<bool(const Session&)> choose);

 private:
  struct Client {
    Session* session;
    Kill kill;
  };
  mutable Mutex mutex_;
  std::uint64_t last_id_ GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, Client> clients_ GUARDED_BY(mutex_);
};

}  // namespace forebay::server
