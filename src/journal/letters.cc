#include "journal/letters.h"

namespace forebay::journal {

void Letters::apply(const Change& change) {
  if (change.added) {
    count_ += by_key_[change.key].insert(change.id).second ? 1 : 0;
    return;
  }
  const auto found = by_key_.find(change.key);
  if (found == by_key_.end() || found->second.erase(change.id) == 0) return;
  --count_;
  if (found->second.empty()) by_key_.erase(found);
}

void Letters::replace(const Ledger& ledger) {
  by_key_.clear();
  count_ = 0;
  for (std::size_t i = 0; i < ledger.dead.size() && i < ledger.dead_keys.size(); ++i) {
    apply({true, ledger.dead_keys[i], ledger.dead[i]});
  }
}

void Letters::begin_with(const Ledger& ledger) {
  replace(ledger);
  read_again_ = reading_;
}

void Letters::add(const Key& key, const DeadId& id) {
  apply({true, key, id});
  if (reading_) meanwhile_.push_back({true, key, id});
}

void Letters::remove(const Key& key, const DeadId& id) {
  apply({false, key, id});
  if (reading_) meanwhile_.push_back({false, key, id});
}

Letters::ByKey Letters::of(const Batch& batch) const {
  ByKey found;
  if (empty()) return found;
  for (const Item& item : batch.items) {
    if (const auto letters = by_key_.find({item.space, item.key}); letters != by_key_.end())
      found.insert(*letters);
  }
  return found;
}

std::map<std::string, std::size_t> Letters::counts() const {
  std::map<std::string, std::size_t> counts;
  for (const auto& [key, ids] : by_key_) counts[key.first] += ids.size();
  return counts;
}

bool Letters::begin_reading() {
  if (reading_) {
    read_again_ = true;
    return false;
  }
  reading_ = true;
  read_again_ = false;
  meanwhile_.clear();
  return true;
}

bool Letters::end_reading(const Ledger* ledger) {
  reading_ = false;
  const std::vector<Change> meanwhile = std::exchange(meanwhile_, {});
  if (ledger == nullptr) return true;
  replace(*ledger);
  for (const Change& change : meanwhile) apply(change);
  return read_again_;
}

}  // namespace forebay::journal
