#pragma once

// What one client is subscribed to. Used on its loop's thread; other threads may call count().

#include <array>
#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "resp/output.h"
#include "resp/writer.h"
#include "server/pubsub/message.h"
#include "server/pubsub/outlet.h"

namespace forebay::server {

// A client that is sent what it has not asked for. On its loop's thread.
class PushTarget {
 public:
  virtual ~PushTarget() = default;
  virtual resp::Protocol push_protocol() const = 0;
  // It goes behind the replies to what the client has asked before. Does not close the client: whoever pushes
  // walks a list of clients.
  virtual void push(const resp::Output& encoded) = 0;
};

class Subscriptions {
 public:
  // Both outlive it.
  Subscriptions(Outlet& outlet, PushTarget& client) : outlet_(outlet), client_(client) {}
  ~Subscriptions() { clear(); }
  Subscriptions(const Subscriptions&) = delete;
  Subscriptions& operator=(const Subscriptions&) = delete;

  // Nothing changes where it is subscribed, or isn't, already. Requires that a pattern is no longer than
  // Glob::kMaxLength.
  void add(Topic topic, std::string_view name);
  void remove(Topic topic, std::string_view name);
  void clear();

  std::size_t count(Topic topic) const {
    return counts_[static_cast<std::size_t>(topic)].load(std::memory_order_relaxed);
  }
  bool any() const { return count(Topic::kChannel) + count(Topic::kPattern) + count(Topic::kShard) != 0; }
  // In no order.
  std::vector<std::string> names(Topic topic) const;
  // Bytes that they take, an estimate.
  std::size_t memory() const { return memory_; }

  // ---- For the outlet.
  void push(const resp::Output& encoded) { client_.push(encoded); }
  resp::Protocol protocol() const { return client_.push_protocol(); }
  void moved(Topic topic, std::string_view name, std::size_t index) { of(topic).find(name)->second = index; }

 private:
  // By the outlet's name: where it stands there.
  using Places = std::unordered_map<std::string_view, std::size_t, StringHash, std::equal_to<>>;

  Places& of(Topic topic) { return places_[static_cast<std::size_t>(topic)]; }
  void counted(Topic topic) {
    counts_[static_cast<std::size_t>(topic)].store(of(topic).size(), std::memory_order_relaxed);
  }

  Outlet& outlet_;
  PushTarget& client_;
  std::array<Places, kTopics> places_;
  std::array<std::atomic<std::size_t>, kTopics> counts_{};  // relaxed: they publish nothing
  std::size_t memory_ = 0;
};

}  // namespace forebay::server
