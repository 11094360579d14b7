#include "journal/flush_counts.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

namespace forebay::journal {

FlushStats& FlushCounts::of(std::string_view space) {
  const auto found = by_space_.find(space);
  return found != by_space_.end() ? found->second : by_space_.emplace(space, FlushStats{}).first->second;
}

void FlushCounts::retried(const Batch& batch) {
  std::set<std::string_view> spaces;
  for (const Item& item : batch.items) spaces.insert(item.space);
  for (const std::string_view space : spaces) ++of(space).retries;
}

void FlushCounts::through(const Batch& batch, const Attempt::Done& done, Duration took) {
  std::map<std::string_view, std::uint64_t> ops;  // of each namespace
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    const Item& item = batch.items[i];
    FlushStats& stats = of(item.space);
    stats.applied_ops += done.counts[i].applied_ops;
    stats.dead += done.counts[i].dead_ops;
    stats.passed_over += done.counts[i].passed_over;
    std::uint64_t& all = ops[item.space];
    for (const Step& step : item.steps) all += step.ops;
  }
  for (const auto& [space, all] : ops) {
    FlushStats& stats = of(space);
    ++stats.batches;
    stats.flush_seconds += std::chrono::duration<double>(took).count();
    stats.largest_batch = std::max(stats.largest_batch, all);
  }
}

std::vector<FlushStats> FlushCounts::list(const std::string& source,
                                          const std::map<std::string, std::size_t>& letters) const {
  auto all = by_space_;
  for (const auto& [space, count] : letters) all[space].dead_letters = count;
  std::vector<FlushStats> list;
  for (auto& [space, stats] : all) {
    stats.source = source;
    stats.space = space;
    list.push_back(std::move(stats));
  }
  return list;
}

}  // namespace forebay::journal
