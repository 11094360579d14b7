#include "layer/invalidate/invalidator.h"

#include <algorithm>
#include <utility>

#include "layer/key/boards.h"

namespace forebay::layer {

// A change that a feed has reported.
class Invalidator::Report final : public feed::ChangeSink::Unsettled {
 public:
  Report(Invalidator& invalidator, Invalidator::Unsettled unsettled)
      : invalidator_(invalidator), unsettled_(std::move(unsettled)) {}
  void settle() override { invalidator_.settle(unsettled_); }

 private:
  Invalidator& invalidator_;
  const Invalidator::Unsettled unsettled_;
};

namespace {

enum class Mapping { kKey, kNoKey, kUnknown };  // kNoKey: a column is NULL, so no key stands for this row

// The fields of a key, taken from a row's columns.
Mapping fields_from(const std::vector<std::string>& columns, const Fields& row, KeyFields& fields) {
  fields.clear();
  for (const std::string& name : columns) {
    const auto column = std::ranges::find(row, name, &std::pair<std::string, OptionalText>::first);
    if (column == row.end()) return Mapping::kUnknown;
    if (!column->second) return Mapping::kNoKey;
    fields.push_back(*column->second);
  }
  return Mapping::kKey;
}

}  // namespace

bool Invalidator::drop(const KeyRef& at, observe::Invalidation cause, const ChangeMark& change,
                       Visible visible) {
  const Instant now = clock_.now();
  bool dropped = false;
  const bool fenced =
      keys_.change(at, change, visible, [&] { dropped = copies_.drop_before(at, change, now); });
  if (dropped || fenced) copies_.invalidated(at, cause, now);
  if (at.space.boards != nullptr) drop(board_of(at), cause, change, visible);
  return dropped;
}

template <class OnKey, class OnSpace>
void Invalidator::each_concerned(const std::string& source, const RowChange& change, std::string_view written,
                                 OnKey on_key, OnSpace on_space) {
  const Router& namespaces = router();
  const Namespace* writer = written.empty() ? nullptr : &namespaces.route(written);
  KeyFields fields;
  for (const ChangeIndex::Watch& watch : namespaces.changes().of(source, change.table)) {
    const bool own = watch.why == ChangeIndex::Why::kOwnTable;
    // A write never changes its row's key columns, so its own namespace's other keys stand for other rows.
    if (own && watch.space == writer) continue;
    const bool no_images = change.images.before.empty() && change.images.after.empty();
    // A write through this node whose images nobody asked for: only its own key is concerned.
    if (own && no_images && !change.whole_table && !written.empty()) continue;
    bool known = !change.whole_table && !watch.columns.empty() && !no_images;
    std::vector<std::string> concerned;
    for (const Fields* row : {&change.images.before, &change.images.after}) {
      if (row->empty() || !known) continue;
      switch (fields_from(watch.columns, *row, fields)) {
        case Mapping::kKey:
          concerned.push_back(make_key(watch.space->config.key, fields));
          break;
        case Mapping::kNoKey:
          break;
        case Mapping::kUnknown:
          known = false;
          break;
      }
    }
    if (!known) {
      on_space(*watch.space);
      continue;
    }
    if (concerned.size() == 2 && concerned[0] == concerned[1]) concerned.pop_back();
    for (const std::string& key : concerned) {
      if (key == written) continue;
      on_key(KeyRef(*watch.space, key),
             own ? observe::Invalidation::kChange : observe::Invalidation::kDependency);
    }
  }
}

void Invalidator::row_changed(const std::string& source, const RowChange& change, std::string_view written) {
  const ChangeMark mark{change.evidence, 0};
  each_concerned(
      source, change, written, [&](const KeyRef& at, observe::Invalidation cause) { drop(at, cause, mark); },
      [&](Namespace& space) { drop_space(space); });
}

void Invalidator::also_changed(const std::string& source, const AlsoChanged& also) {
  if (also.anything) return lost(source);
  RowChange change;
  change.whole_table = true;
  for (const std::string& table : also.tables) {
    change.table = table;
    row_changed(source, change);
  }
}

Invalidator::Unsettled Invalidator::row_changes(const std::string& source, const RowChange& change,
                                                const KeyRef* written, std::uint64_t transaction) {
  Unsettled unsettled{{change.evidence, 0, transaction}, {}, {}};
  const auto unsettle = [&](const KeyRef& at, observe::Invalidation cause) {
    drop(at, cause, unsettled.change, Visible::kNotYet);
    unsettled.keys.emplace_back(&at.space, at.text);
    if (at.space.boards != nullptr) unsettled.keys.emplace_back(at.space.boards, board_of(at).text);
  };
  if (written != nullptr) unsettle(*written, observe::Invalidation::kWrite);
  each_concerned(source, change, written == nullptr ? std::string_view() : written->text, unsettle,
                 [&](Namespace& space) {
                   this->unsettle(space);
                   unsettled.spaces.push_back(&space);
                 });
  return unsettled;
}

void Invalidator::settle(const Unsettled& unsettled) {
  for (const auto& [space, key] : unsettled.keys) keys_.settle(KeyRef(*space, key), unsettled.change);
  for (Namespace* space : unsettled.spaces) settle_space(*space);
}

void Invalidator::unsettle(Namespace& space) {
  Namespace* current = nullptr;
  {
    const MutexLock lock(mutex_);
    ++open_[space.name()];
    // Before the epochs: a load that sees the new one sees this, too.
    space.unsettled.fetch_add(1, std::memory_order_release);
    current = router().find(space.name());
    if (current != nullptr && current != &space) current->unsettled.fetch_add(1, std::memory_order_release);
  }
  drop_space(space);
  if (current != nullptr && current != &space) drop_space(*current);
}

void Invalidator::settle_space(Namespace& space) {
  // A load that is under way may have read the source just before: it must not be stored.
  drop_space(space);
  for (;;) {
    Namespace* const current = router().find(space.name());
    if (current != nullptr && current != &space) drop_space(*current);
    const MutexLock lock(mutex_);
    if (router().find(space.name()) != current) continue;  // a reload came in between
    const auto open = open_.find(space.name());
    if (open != open_.end() && --open->second == 0) open_.erase(open);
    space.unsettled.fetch_sub(1, std::memory_order_release);
    if (current != nullptr && current != &space) current->unsettled.fetch_sub(1, std::memory_order_release);
    return;
  }
}

void Invalidator::took_over() {
  std::vector<Namespace*> still;
  {
    const MutexLock lock(mutex_);
    for (const auto& [name, count] : open_) {
      Namespace* const current = router().find(name);
      if (current == nullptr || current->unsettled.load(std::memory_order_acquire) == count) continue;
      current->unsettled.store(count, std::memory_order_release);
      still.push_back(current);
    }
  }
  // What was stored since it is in force, and before this.
  for (Namespace* space : still) drop_space(*space);
}

void Invalidator::rows_may_have_changed(const Namespace& written) {
  for (const ChangeIndex::Watch& watch : router().changes().of(written.config.source, written.config.table)) {
    if (watch.space != &written) drop_space(*watch.space);
  }
}

void Invalidator::lost(const std::string& source) {
  for (Namespace* space : router().changes().of(source)) drop_space(*space);
}

std::unique_ptr<feed::ChangeSink::Unsettled> Invalidator::reported(const std::string& source,
                                                                   const RowChange& change,
                                                                   std::uint64_t transaction) {
  return std::make_unique<Report>(*this, row_changes(source, change, nullptr, transaction));
}

std::shared_ptr<FeedState> Invalidator::feed_of(const std::string& source) {
  MutexLock lock(mutex_);
  std::shared_ptr<FeedState>& state = feeds_[source];
  if (state == nullptr) state = std::make_shared<FeedState>();
  return state;
}

void Invalidator::came_back(const std::string& source, Instant since) {
  constexpr std::size_t kStep = 1000;
  const Instant now = clock_.now();
  const auto is_in_doubt = [&](const EntryView& entry, const Namespace& space) {
    return space.config.source == source && space.owns(entry.stamp()) && entry.stamp().loaded_at >= since;
  };
  std::uint64_t cursor = 0;
  do {
    std::vector<std::string> keys;
    cursor = copies_.tier().scan(cursor, kStep, now, [&](const EntryView& entry) {
      if (is_in_doubt(entry, router().route(entry.key()))) keys.emplace_back(entry.key());
    });
    for (const std::string& key : keys) drop({router().route(key), key}, observe::Invalidation::kChange);
  } while (cursor != 0);
}

void Invalidator::heard(const std::string& source, bool heard) {
  feed_of(source)->heard.store(heard, std::memory_order_release);
  if (heard) return;
  for (Namespace* space : router().changes().of(source)) {
    // In this order: a load that sees the new epoch sees that the feed is not heard, too.
    if (space->config.on_feed_loss == config::OnFeedLoss::kBypass) {
      drop_space(*space);
    } else {
      copies_.doubt(*space);
    }
  }
}

}  // namespace forebay::layer
