#pragma once

// The one door for every change, wherever it was seen: a client's DEL, a write through Forebay, a row changed
// by another program, a purge. It maps the change to keys, fences their loads and drops their copies. It
// never re-populates.

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "feed/change_sink.h"
#include "layer/key/copy_store.h"
#include "layer/key/key_table.h"
#include "layer/namespaces/router.h"

namespace forebay::layer {

class Invalidator final : public feed::ChangeSink {
 public:
  // `router` yields the router in force. Everything is borrowed. Thread-safe.
  Invalidator(const std::atomic<const Router*>& router, CopyStore& copies, KeyTable& keys, const Clock& clock)
      : router_(router), copies_(copies), keys_(keys), clock_(clock) {}

  // Drops one key's copy unless the copy is proved to include the change. True: one was dropped.
  bool drop(const KeyRef& at, observe::Invalidation cause, const ChangeMark& change = {},
            Visible visible = Visible::kYes);
  // Invalidates every copy of a namespace, and every load and write of it in progress. O(1).
  void drop_space(Namespace& space) { copies_.drop_space(space); }
  // Every copy with the tag, also what is being loaded and turns out to have it. O(namespaces).
  void drop_tag(std::string_view tag) { copies_.drop_tag(tag, router().spaces()); }
  // O(shards). May be called with the tier's shards held: it takes no lock of the keys.
  void drop_everything() { copies_.drop_everything(router().spaces()); }

  // A row has changed, and the source shows it: drops what the namespaces on its table hold of it, old row and
  // new row both, and those that depend on the table. `written`: the key whose write this is; its own copy has
  // been dealt with.
  void row_changed(const std::string& source, const RowChange& change, std::string_view written = {});

  // A write of a source changed other rows, too.
  void also_changed(const std::string& source, const AlsoChanged& also);

  // Rows of a namespace's table were changed or not, nobody knows which: drops what other namespaces made of
  // the table. Its own copies have been dealt with.
  void rows_may_have_changed(const Namespace& written);

  // What a change that the source does not show yet has left unsettled.
  struct Unsettled {
    ChangeMark change;
    std::vector<std::pair<Namespace*, std::string>> keys;
    std::vector<Namespace*> spaces;
  };
  // As row_changed(), for a change that the source may not show yet: until settle() nothing is stored for its
  // keys that isn't proved to include it. Whoever reports must settle. `written`: the key whose write this is,
  // if it is one. `transaction`: whose change it is; 0: unknown.
  [[nodiscard]] Unsettled row_changes(const std::string& source, const RowChange& change,
                                      const KeyRef* written = nullptr, std::uint64_t transaction = 0);
  // The source shows the change now.
  void settle(const Unsettled& unsettled);

  // A change of keys that are not known, which the source does not show yet: the namespace's copies go, and until
  // settle() nothing of it is stored.
  void unsettle(Namespace& space);
  // Another router is in force: what was unsettled stays so where a namespace has taken another one's place.
  void took_over();

  // Of a source that has a feed, which is not heard to begin with.
  std::shared_ptr<FeedState> feed_of(const std::string& source);

  // feed::ChangeSink
  void changed(const std::string& source, const RowChange& change) override { row_changed(source, change); }
  std::unique_ptr<feed::ChangeSink::Unsettled> reported(const std::string& source, const RowChange& change,
                                                        std::uint64_t transaction) override;
  void lost(const std::string& source) override;
  void complete_as_of(const std::string& source, Instant when) override {
    feed_of(source)->complete_as_of.store(when, std::memory_order_relaxed);
  }
  void came_back(const std::string& source, Instant since) override;  // O(entries), in steps
  void heard(const std::string& source, bool heard) override;

 private:
  // Calls `on_key` for each key that the change concerns, or `on_space` for a namespace of which that is not
  // known.
  template <class OnKey, class OnSpace>
  void each_concerned(const std::string& source, const RowChange& change, std::string_view written,
                      OnKey on_key, OnSpace on_space);
  const Router& router() const { return *router_.load(std::memory_order_acquire); }

  void settle_space(Namespace& space);

  class Report;

  const std::atomic<const Router*>& router_;  // read with acquire: Core publishes it with release
  CopyStore& copies_;
  KeyTable& keys_;
  const Clock& clock_;
  mutable Mutex mutex_;
  // By a namespace's name, of changes that are not settled: what Namespace::unsettled is of the one in force.
  std::map<std::string, std::uint32_t, std::less<>> open_ GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<FeedState>, std::less<>> feeds_ GUARDED_BY(mutex_);  // by source
};

}  // namespace forebay::layer
