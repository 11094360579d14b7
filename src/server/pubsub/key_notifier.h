#pragma once

// Keyspace notifications: what becomes of plain keys, published to `__keyspace@0__:<key>` and
// `__keyevent@0__:<event>`.
//
// Changes are told with locks of the layer held (forebay/key_listener.h), so they only gather here; one event
// loop publishes them, in the order in which they were told. What an event is called is known from the command
// that this thread runs.
//
// Thread-safe; a leaf lock, but for the mailbox's.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "forebay/key_listener.h"
#include "server/databases.h"
#include "server/pubsub/broker.h"
#include "server/resp/mailbox.h"

namespace forebay::server {

class KeyNotifier {
 public:
  // Events that wait to be published; beyond that, new ones are lost, and the log says so.
  static constexpr std::size_t kMostWaiting = 1'000'000;

  // Where to publish, on which loop. Before the first change.
  void open(Broker& broker, const Databases& databases, std::shared_ptr<Mailbox> mailbox);

  // As `notify-keyspace-events` has them: K, E, A, g $ l s h z t d x e. Nothing: a letter is none of these.
  static std::optional<std::uint32_t> parse(std::string_view letters);
  static std::string letters(std::uint32_t events);
  void set(std::uint32_t events) { events_.store(events, std::memory_order_relaxed); }
  std::uint32_t events() const { return events_.load(std::memory_order_relaxed); }
  bool on() const { return events() != 0; }

  void changed(const NamespaceInfo& space, std::string_view key, KeyChange how);

 private:
  struct Event {
    std::string key;
    std::string_view name;  // of static life
  };
  void add(std::uint32_t kind, std::string_view name, std::string_view key);
  void publish();

  Broker* broker_ = nullptr;
  const Databases* databases_ = nullptr;
  std::shared_ptr<Mailbox> mailbox_;
  std::atomic<std::uint32_t> events_{0};  // relaxed: it stands alone
  Mutex mutex_;
  std::vector<Event> waiting_ GUARDED_BY(mutex_);
  bool woken_ GUARDED_BY(mutex_) = false;
};

}  // namespace forebay::server
