#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "layer/port/reopening_dataset.h"
#include "layer/port/source_port.h"

namespace forebay::layer {

// A blocking Dataset, called on its source's threads.
class ThreadedDataset final : public DatasetPort {
 public:
  // `source` and `pool` are borrowed. `dataset`: opened already, or a LateDataset.
  template <class Opened>
  ThreadedDataset(Source& source, const DatasetSpec& spec, std::unique_ptr<Opened> dataset, ThreadPool& pool)
      : source_(source), dataset_(source, spec, std::move(dataset), pool), pool_(pool) {}

  // The dataset as its source made it; it may have to be opened first, which blocks.
  Result<Dataset*> own() const { return dataset_.own(); }

  bool batches() const override { return dataset_.current().batches(); }
  void load(std::vector<KeyFields> keys, CallOptions options, LoadDone done) override;
  void write(KeyFields key, Write write, CallOptions options, WriteDone done) override;
  void has_ended(std::uint64_t transaction, CallOptions options, EndedDone done) override;
  Result<void> validate(const KeyFields& key, const Write& write) const override;
  Shown shown(std::string_view column, Given given, std::string& text) const override;

 private:
  Source& source_;
  const ReopeningDataset dataset_;
  ThreadPool& pool_;
};

}  // namespace forebay::layer
