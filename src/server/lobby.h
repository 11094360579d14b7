#pragma once

// Clients that have connected to a server with a password and have not given it yet.
//
// Whoever can connect can leave connections standing there, so they have a bound in all and a share for each
// address. Beyond either, the one that has stood there longest has to go, not the newcomer: a client that
// knows the password needs milliseconds, so it gets in while others fill the place. No sockets here.

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/hash.h"
#include "base/mutex.h"

namespace forebay::server {

// Thread-safe.
class Lobby {
 public:
  struct Room {
    std::size_t per_address;
    std::size_t in_all;
  };
  static Room room(std::size_t max_clients);

  // `id` comes in; `address` is address_group() of its host. Returns the client that has to be closed for
  // that, which is not in the lobby any more; 0: none.
  std::uint64_t enter(std::uint64_t id, std::string_view address, const Room& room);
  // Does nothing for those that are not there.
  void leave(std::uint64_t id);
  // Takes out the one that has been there longest; 0: nobody is.
  std::uint64_t take_oldest();

 private:
  void remove_locked(std::uint64_t id) REQUIRES(mutex_);

  Mutex mutex_;
  // Ids rise with time.
  std::map<std::uint64_t, std::string> clients_ GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::set<std::uint64_t>, StringHash, std::equal_to<>> by_address_
      GUARDED_BY(mutex_);
};

}  // namespace forebay::server
