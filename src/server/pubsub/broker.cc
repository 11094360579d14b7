#include "server/pubsub/broker.h"

#include <utility>

#include "server/pubsub/outlet.h"

namespace forebay::server {

std::uint32_t Broker::join(Outlet& outlet) {
  outlets_.push_back(&outlet);
  return static_cast<std::uint32_t>(outlets_.size() - 1);
}

Broker::Published Broker::publish(Topic topic, std::string_view channel, std::string_view payload) {
  PatternIndex::Matches matches;
  if (topic == Topic::kChannel) matches = patterns_.match(channel);
  Shard& shard = this->shard(topic, channel);
  if (matches.patterns.empty()) {
    // Most often nobody listens: then nothing is made.
    const MutexLock lock(shard.mutex);
    if (!shard.channels.contains(channel)) return {};
  }
  auto message = std::make_shared<Message>();
  message->topic = topic;
  message->channel = channel;
  message->payload = Value::bytes(std::string(payload));
  message->patterns = std::move(matches.patterns);
  message->pattern_number = matches.number;

  Published published{matches.clients};
  LoopCounts loops = std::move(matches.loops);
  const MutexLock lock(shard.mutex);
  message->number = ++shard.number;
  if (const auto found = shard.channels.find(channel); found != shard.channels.end()) {
    published.receivers += found->second.clients();
    if (loops.empty()) {
      loops = found->second;
    } else {
      for (const LoopCounts::Share& share : found->second.shares()) loops.add(share.loop);
    }
  }
  for (const LoopCounts::Share& share : loops.shares()) {
    Outlet& outlet = *outlets_[share.loop];
    if (outlet.send(message) == Outlet::Backlog::kLong) published.behind = outlet.mailbox();
  }
  return published;
}

std::uint64_t Broker::subscribe(Topic topic, std::string_view name, std::uint32_t loop) {
  if (topic == Topic::kPattern) return patterns_.add(name, loop);
  Shard& shard = this->shard(topic, name);
  const MutexLock lock(shard.mutex);
  auto found = shard.channels.find(name);
  if (found == shard.channels.end()) found = shard.channels.emplace(name, LoopCounts()).first;
  found->second.add(loop);
  return shard.number;
}

void Broker::unsubscribe(Topic topic, std::string_view name, std::uint32_t loop) {
  if (topic == Topic::kPattern) return patterns_.remove(name, loop);
  Shard& shard = this->shard(topic, name);
  const MutexLock lock(shard.mutex);
  const auto found = shard.channels.find(name);
  found->second.remove(loop);
  if (found->second.empty()) shard.channels.erase(found);
}

std::size_t Broker::size(Topic topic) const {
  if (topic == Topic::kPattern) return patterns_.size();
  std::size_t sum = 0;
  for (const Shard& shard : shards(topic)) {
    const MutexLock lock(shard.mutex);
    sum += shard.channels.size();
  }
  return sum;
}

std::size_t Broker::clients(Topic topic, std::string_view channel) const {
  const Shard& shard = this->shard(topic, channel);
  const MutexLock lock(shard.mutex);
  const auto found = shard.channels.find(channel);
  return found == shard.channels.end() ? 0 : found->second.clients();
}

void Broker::for_each(Topic topic, FunctionRef<void(std::string_view)> visit) const {
  for (const Shard& shard : shards(topic)) {
    const MutexLock lock(shard.mutex);
    for (const auto& [name, loops] : shard.channels) visit(name);
  }
}

}  // namespace forebay::server
