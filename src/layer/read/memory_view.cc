#include "layer/read/memory_view.h"

#include <memory>
#include <utility>

#include "memory/collection/own_collection.h"

namespace forebay::layer {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

namespace {

// A collection is the tier's own; what leaves it is a copy. O(elements) for one.
Value value_of(const EntryView& entry) {
  if (entry.type() != EntryType::kCollection) return entry.value();
  auto all = std::make_shared<memory::OwnCollection>(memory::Collection::kind_of(entry.bytes()));
  all->copy(entry.bytes());
  const std::size_t charge = all->charge();
  return Value::object(std::shared_ptr<const memory::OwnCollection>(std::move(all)), charge);
}

}  // namespace

Answer answer_of(const EntryView& entry, Instant now, ReadResult result) {
  Answer answer;
  answer.result = result;
  const Stamp& stamp = entry.stamp();
  if (!stamp.negative) answer.value = value_of(entry);
  if (stamp.loaded_at != Instant{}) answer.age = duration_cast<milliseconds>(now - stamp.loaded_at);
  if (stamp.fresh_until != kNever) answer.fresh_for = duration_cast<milliseconds>(stamp.fresh_until - now);
  answer.version = stamp.version;
  return answer;
}

Answer absent(ReadResult result) {
  Answer answer;
  answer.result = result;
  return answer;
}

void MemoryView::tell(const KeyRef& at, Found found, const Stamp& stamp) const {
  if (found == Found::kHit || found == Found::kNegative) copies_.answered(at, stamp);
  if (found == Found::kStale) copies_.answered_stale(at);
}

std::optional<Answer> MemoryView::stand_in(const KeyRef& at, Instant now) const {
  std::optional<Answer> answer;
  find_stand_in(at, now, [&](const EntryView& entry) {
    const bool fresh = now < entry.stamp().fresh_until;
    answer = answer_of(entry, now, fresh ? ReadResult::kHit : ReadResult::kStale);
  });
  return answer;
}

bool MemoryView::is_due(const KeyRef& at, Instant now, Instant due) const {
  bool same = false;
  copies_.find(at, now, [&](const EntryView& entry) { same = entry.stamp().fresh_until == due; }, Touch::kNo);
  return same;
}

}  // namespace forebay::layer
