#include "layer/port/threaded_source.h"

#include <utility>

#include "layer/port/guarded.h"
#include "layer/port/late_dataset.h"
#include "layer/port/threaded_dataset.h"

namespace forebay::layer {

ThreadedSource::ThreadedSource(std::shared_ptr<Source> source)
    : source_(std::move(source)), pool_(source_->concurrency()) {
  if (auto log = source_->change_log()) change_log_.emplace(std::move(log));
  if (auto ledger = source_->ledger()) ledger_.emplace(std::move(ledger), pool_);
}

template <class Opened>
std::shared_ptr<DatasetPort> ThreadedSource::port_of(const DatasetSpec& spec,
                                                     std::unique_ptr<Opened> dataset) {
  auto port = std::make_shared<ThreadedDataset>(*source_, spec, std::move(dataset), pool_);
  if (ledger_) ledger_->add(port);
  return port;
}

Result<std::shared_ptr<DatasetPort>> ThreadedSource::open(const DatasetSpec& spec) {
  auto dataset = guarded<std::unique_ptr<Dataset>>([&] { return source_->open_dataset(spec); });
  if (!dataset) return std::move(dataset).error();
  return port_of(spec, std::move(*dataset));
}

std::shared_ptr<DatasetPort> ThreadedSource::open_later(const DatasetSpec& spec) {
  return port_of(spec, std::make_unique<LateDataset>(*source_, spec));
}

void ThreadedSource::ping(CallOptions options, PingDone done) {
  pool_.run([this, options = std::move(options), done = std::move(done)]() mutable {
    done(guarded<void>([&] { return source_->ping({options.timeout, options.cancel.get()}); }));
  });
}

Result<std::vector<KnownTable>> ThreadedSource::known_tables(const std::vector<std::string>& names,
                                                             const CallOptions& options) {
  auto known = guarded<std::vector<KnownTable>>(
      [&] { return source_->known_tables(names, {options.timeout, options.cancel.get()}); });
  if (known && known->size() != names.size())
    return Error{ErrorCode::kInternal, "the source does not answer for each table"};
  return known;
}

}  // namespace forebay::layer
