#include "server/pubsub/outlet.h"

#include <optional>
#include <utility>

#include "server/pubsub/subscriptions.h"

namespace forebay::server {
namespace {

// One encoding for each protocol, made when the first client needs it.
template <class Encode>
class Encodings {
 public:
  explicit Encodings(Encode encode) : encode_(encode) {}
  const resp::Output& of(resp::Protocol protocol) {
    std::optional<resp::Output>& encoded = encoded_[protocol == resp::Protocol::kResp3 ? 1 : 0];
    if (!encoded) encoded = encode_(protocol);
    return *encoded;
  }

 private:
  Encode encode_;
  std::array<std::optional<resp::Output>, 2> encoded_;
};

}  // namespace

Outlet::Backlog Outlet::send(std::shared_ptr<const Message> message) {
  const std::size_t bytes = message->bytes();
  const std::size_t waiting = waiting_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  mailbox_->post([this, message = std::move(message)] {
    waiting_bytes_.fetch_sub(message->bytes(), std::memory_order_relaxed);
    deliver(*message);
  });
  return waiting > kLongBacklog ? Backlog::kLong : Backlog::kShort;
}

const Outlet::Members* Outlet::members(Topic topic, std::string_view name) const {
  const ByName& by_name = members_[static_cast<std::size_t>(topic)];
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : &found->second;
}

void Outlet::deliver(const Message& message) const {
  if (const Members* members = this->members(message.topic, message.channel)) {
    Encodings encodings([&](resp::Protocol protocol) { return message.encode(protocol); });
    for (const Member& member : *members) {
      if (member.number >= message.number) continue;
      member.client->push(encodings.of(member.client->protocol()));
    }
  }
  for (const auto& pattern : message.patterns) {
    const Members* members = this->members(Topic::kPattern, pattern->text);
    if (members == nullptr) continue;
    Encodings encodings([&](resp::Protocol protocol) { return message.encode(protocol, *pattern); });
    for (const Member& member : *members) {
      if (member.number >= message.pattern_number) continue;
      member.client->push(encodings.of(member.client->protocol()));
    }
  }
}

Outlet::Place Outlet::add(Topic topic, std::string_view name, Subscriptions& client) {
  ByName& by_name = members_[static_cast<std::size_t>(topic)];
  auto found = by_name.find(name);
  if (found == by_name.end()) found = by_name.emplace(name, Members()).first;
  found->second.push_back({&client, broker_.subscribe(topic, name, loop_)});
  return {found->first, found->second.size() - 1};
}

void Outlet::remove(Topic topic, std::string_view name, std::size_t index) {
  broker_.unsubscribe(topic, name, loop_);
  ByName& by_name = members_[static_cast<std::size_t>(topic)];
  const auto found = by_name.find(name);
  Members& members = found->second;
  if (index + 1 < members.size()) {
    members[index] = members.back();
    members[index].client->moved(topic, found->first, index);
  }
  members.pop_back();
  if (members.empty()) by_name.erase(found);
}

}  // namespace forebay::server
