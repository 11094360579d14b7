#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string_view>

#include "base/mutex.h"
#include "forebay/function_ref.h"

namespace forebay::server {

class ClientMemory;
struct Invalidation;
class Session;

// All connected clients, for CLIENT LIST and CLIENT KILL, and for who has to go. Thread-safe. Touched when
// clients come and go, by those two commands, and when their memory runs out.
class ClientRegistry {
 public:
  // Closes one client from any thread; must not block or call back.
  using Kill = std::move_only_function<void()>;

  // Hands what it is to forget to one client, from any thread; must not block or call back.
  using Forget = std::move_only_function<void(std::shared_ptr<const Invalidation>)>;

  std::uint64_t next_id();
  // Has the client look at its user again, from any thread; must not block or call back.
  using LookAtUser = std::move_only_function<void()>;

  // The session stays valid until remove() has returned.
  void add(Session& session, Kill kill, Forget forget, LookAtUser look);
  void remove(const Session& session);
  std::size_t size() const;

  // Visits the clients, oldest first, with the registry locked.
  void for_each(FunctionRef<void(const Session&)> visit) const;
  // Closes those for which `choose` says so, and returns how many.
  std::size_t kill_if(FunctionRef<bool(const Session&)> choose);
  // False: there is no such client.
  bool kill(std::uint64_t id);
  bool contains(std::uint64_t id) const;
  // Users have changed: clients whose user is gone close, and so do subscribers to what theirs may not listen to any
  // more. `user`: whose clients are concerned; empty: everybody's.
  void look_at_users(std::string_view user);
  // The client is told what another one is to forget (CLIENT TRACKING REDIRECT). False: there is no such client.
  bool forget(std::uint64_t id, std::shared_ptr<const Invalidation> what);
  // Whether the server waits for memory before it reads more from one of them.
  bool any_paused() const;
  // Closes the one that holds most memory, if it and the others together hold more than `limit` bytes, and says
  // so in the log. Those that are being closed for it already don't count: until their loops notice they may
  // still grow, and nobody else is to go for that. False: none was closed. Linear in the number of clients.
  bool close_largest(std::size_t limit);

 private:
  struct Client {
    Session* session;
    Kill kill;
    Forget forget;
    LookAtUser look;
  };
  mutable Mutex mutex_;
  std::uint64_t last_id_ GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, Client> clients_ GUARDED_BY(mutex_);
};

}  // namespace forebay::server
