#pragma once

// The dead letters of one source, as far as they are of this journal: which keys have some. With
// `after_dead_letter = "hold"` the later writes of such a key follow them.
//
// The truth is a table of the database. It is read when the flusher begins with the source, and again when
// the letters were changed from outside. Between those the flusher says what its own batches change. A batch
// that ends while the table is being read may be in the answer or not, so what batches change meanwhile is
// done to the answer once more.
//
// Not thread-safe.

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "journal/batch.h"
#include "journal/flusher.h"

namespace forebay::journal {

class Letters {
 public:
  using Key = std::pair<std::string, std::string>;  // namespace and key
  using ByKey = std::map<Key, std::set<DeadId>>;

  // The table has these, as the flusher begins with the source. An answer that is still awaited may be older.
  void begin_with(const Ledger& ledger);
  // A batch has put one aside, or a retry of one went through.
  void add(const Key& key, const DeadId& id);
  void remove(const Key& key, const DeadId& id);

  bool empty() const { return count_ == 0; }
  // Those of the batch's keys; seldom any.
  ByKey of(const Batch& batch) const;
  // How many each namespace has.
  std::map<std::string, std::size_t> counts() const;

  // The table is about to be read again. False: it is being read already, and will be once more after that.
  bool begin_reading();
  // What came of it; null: nothing. True: it must be read once more.
  bool end_reading(const Ledger* ledger);

 private:
  struct Change {
    bool added;
    Key key;
    DeadId id;
  };
  void replace(const Ledger& ledger);
  void apply(const Change& change);

  ByKey by_key_;
  std::size_t count_ = 0;
  bool reading_ = false;
  bool read_again_ = false;
  std::vector<Change> meanwhile_;  // while reading
};

}  // namespace forebay::journal
