#pragma once

// The subscribers of one event loop: messages come in by the loop's mailbox and leave to its clients.
//
// Used on the loop's thread, apart from send() and mailbox().

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "resp/writer.h"
#include "server/pubsub/broker.h"
#include "server/pubsub/message.h"
#include "server/resp/mailbox.h"

namespace forebay::server {

class Subscriptions;

class Outlet {
 public:
  // Bytes of messages that wait in a loop's mailbox before publishers have to wait for it.
  static constexpr std::size_t kLongBacklog = std::size_t{4} << 20;

  // `broker` outlives it.
  Outlet(Broker& broker, std::shared_ptr<Mailbox> mailbox) : broker_(broker), mailbox_(std::move(mailbox)) {}
  Outlet(const Outlet&) = delete;
  Outlet& operator=(const Outlet&) = delete;

  // Before the first loop runs.
  void join() { loop_ = broker_.join(*this); }

  // Any thread.
  enum class Backlog : bool { kShort, kLong };
  Backlog send(std::shared_ptr<const Message> message);
  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }

  // ---- For Subscriptions.

  // Where a subscription stands: its name, which lives as long as the subscription, and its place.
  struct Place {
    std::string_view name;
    std::size_t index;
  };
  Place add(Topic topic, std::string_view name, Subscriptions& client);
  // Another subscription of the name may take its place: it is told by Subscriptions::moved().
  void remove(Topic topic, std::string_view name, std::size_t index);

 private:
  struct Member {
    Subscriptions* client;
    std::uint64_t number;  // the subscription's
  };
  using Members = std::vector<Member>;
  using ByName = std::unordered_map<std::string, Members, StringHash, std::equal_to<>>;

  void deliver(const Message& message) const;
  const Members* members(Topic topic, std::string_view name) const;

  Broker& broker_;
  const std::shared_ptr<Mailbox> mailbox_;
  std::uint32_t loop_ = 0;
  std::array<ByName, kTopics> members_;
  // Of messages in the mailbox. Relaxed: it publishes nothing.
  std::atomic<std::size_t> waiting_bytes_{0};
};

}  // namespace forebay::server
