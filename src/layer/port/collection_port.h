#pragma once

// Values that are collections: what a table's rows are together (type = "zset").
//
// A collection comes in one text from one query (collection_query.h), as the databases put it together: for each
// element its length in bytes, a colon and its bytes, and for a sorted set its score and a blank. So a member may
// have any bytes, which JSON could not carry.

#include <memory>
#include <string>
#include <vector>

#include "layer/port/source_port.h"
#include "memory/collection/collection.h"

namespace forebay::layer {

// Makes collections of what another port loads. Thread-safe as that is; the work is done on the threads that it
// answers on.
class CollectionPort final : public DatasetPort {
 public:
  struct Options {
    std::string name;  // the namespace's, for messages
    memory::CollectionKind kind;
    std::size_t max_members;
  };
  CollectionPort(std::shared_ptr<DatasetPort> texts, Options options)
      : texts_(std::move(texts)), options_(std::move(options)) {}

  // One key a call: a collection that is too large is no error of other keys.
  bool batches() const override { return false; }
  // A key without elements has no value. kRefused: it has more than max_members of them.
  void load(std::vector<KeyFields> keys, CallOptions options, LoadDone done) override;
  void has_ended(std::uint64_t transaction, CallOptions options, EndedDone done) override {
    texts_->has_ended(transaction, std::move(options), std::move(done));
  }
  bool found_by_spelling(std::size_t dependency) const override {
    return texts_->found_by_spelling(dependency);
  }
  Result<bool> look(Look when, const CallOptions& options) override { return texts_->look(when, options); }
  std::optional<Error> misfit() const override { return texts_->misfit(); }
  void on_change(std::function<void()> changed) override { texts_->on_change(std::move(changed)); }

 private:
  const std::shared_ptr<DatasetPort> texts_;
  const Options options_;
};

}  // namespace forebay::layer
