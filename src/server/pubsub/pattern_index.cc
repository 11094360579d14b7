#include "server/pubsub/pattern_index.h"

#include <algorithm>

namespace forebay::server {

std::string_view PatternIndex::beginning(std::string_view text) {
  return text.substr(0, text.find_first_of("*?[\\"));
}

std::uint64_t PatternIndex::add(std::string_view text, std::uint32_t loop) {
  const MutexLock lock(mutex_);
  auto known = known_.find(text);
  if (known == known_.end()) {
    auto pattern = std::make_shared<const Pattern>(Pattern{std::string(text), *Glob::compile(text)});
    const std::string_view begins = beginning(text);
    auto bucket = buckets_.find(begins);
    if (bucket == buckets_.end()) {
      bucket = buckets_.emplace(begins, Bucket()).first;
      ++lengths_[begins.size()];
    }
    bucket->second.patterns.push_back(pattern);
    bucket->second.copy.reset();
    known = known_.emplace(text, Known{std::move(pattern), {}}).first;
    size_.store(known_.size());
  }
  known->second.loops.add(loop);
  return number_;
}

void PatternIndex::remove(std::string_view text, std::uint32_t loop) {
  const MutexLock lock(mutex_);
  const auto known = known_.find(text);
  known->second.loops.remove(loop);
  if (!known->second.loops.empty()) return;
  const std::string_view begins = beginning(text);
  const auto bucket = buckets_.find(begins);
  List& list = bucket->second.patterns;
  const auto place = std::ranges::find(list, known->second.pattern);
  std::swap(*place, list.back());
  list.pop_back();
  bucket->second.copy.reset();
  if (list.empty()) {
    const auto length = lengths_.find(begins.size());
    if (--length->second == 0) lengths_.erase(length);
    buckets_.erase(bucket);
  }
  known_.erase(known);
  size_.store(known_.size());
}

std::size_t PatternIndex::size() const {
  return size_.load();
}

std::vector<std::shared_ptr<const PatternIndex::List>> PatternIndex::candidates(std::string_view channel) {
  std::vector<std::shared_ptr<const List>> lists;
  const MutexLock lock(mutex_);
  for (const auto& [length, buckets] : lengths_) {
    if (length > channel.size()) break;
    const auto found = buckets_.find(channel.substr(0, length));
    if (found == buckets_.end()) continue;
    Bucket& bucket = found->second;
    if (bucket.copy == nullptr) bucket.copy = std::make_shared<const List>(bucket.patterns);
    lists.push_back(bucket.copy);
  }
  return lists;
}

PatternIndex::Matches PatternIndex::match(std::string_view channel) {
  Matches matches;
  if (size_.load() == 0) return matches;
  for (const auto& list : candidates(channel)) {
    for (const auto& pattern : *list) {
      if (pattern->glob.matches(channel)) matches.patterns.push_back(pattern);
    }
  }
  if (matches.patterns.empty()) return matches;
  const MutexLock lock(mutex_);
  // Those that nobody is subscribed to any more match nobody.
  std::erase_if(matches.patterns, [&](const auto& pattern) REQUIRES(mutex_) {
    const auto known = known_.find(pattern->text);
    if (known == known_.end()) return true;
    for (const LoopCounts::Share& share : known->second.loops.shares()) matches.loops.add(share.loop);
    matches.clients += known->second.loops.clients();
    return false;
  });
  matches.number = ++number_;
  return matches;
}

}  // namespace forebay::server
