#pragma once

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "forebay/clock.h"
#include "journal/journal.h"

namespace forebay::test {

// A journal in simulated time, which keeps what it is given when the test lets it. What it holds is the
// test's, and survives the layer.
class MemoryJournal final : public journal::Journal {
 public:
  struct Disk {
    std::vector<journal::Op> ops;
    std::vector<journal::Applied> applied;
    std::vector<journal::Receipt> receipts;
    const Clock* clock = nullptr;  // the receipts' time; null: the epoch
    std::uint64_t last = 0;
    bool keeps = true;                  // as soon as the scheduler runs; false: when answer() is called
    std::optional<Error> append_error;  // refuses
    std::size_t appended = 0;
  };

  MemoryJournal(Disk& disk, Scheduler& scheduler) : disk_(disk), scheduler_(scheduler) {}

  const std::string& id() const override { return id_; }
  std::uint32_t lanes() const override { return 2; }

  Result<std::uint64_t> append(const journal::OpView& op, journal::Durability) override {
    if (disk_.append_error) return *disk_.append_error;
    ++disk_.appended;
    disk_.ops.push_back({++disk_.last, op.lane, std::string(op.source), std::string(op.space),
                         std::string(op.key), std::string(op.payload)});
    if (!op.receipt.empty()) {
      const std::int64_t at = disk_.clock == nullptr ? 0 : disk_.clock->to_wall_ms(disk_.clock->now());
      disk_.receipts.push_back({disk_.last, at, std::string(op.receipt)});
    }
    return disk_.last;
  }
  void when_committed(std::uint64_t, std::uint64_t, journal::Kept kept) override { wait(std::move(kept)); }
  void when_kept(std::uint64_t, journal::Kept kept) override { wait(std::move(kept)); }
  Result<std::vector<journal::Op>> read(std::uint32_t lane, const std::string* key, std::uint64_t first,
                                        std::uint64_t last) override {
    std::vector<journal::Op> found;
    for (const journal::Op& op : disk_.ops) {
      if (op.lane == lane && (key == nullptr || op.key == *key) && op.seq >= first && op.seq <= last)
        found.push_back(op);
    }
    return found;
  }
  void trim(std::uint64_t seq, std::vector<journal::Applied> applied) override {
    std::erase_if(disk_.ops, [&](const journal::Op& op) { return op.seq <= seq; });
    disk_.applied = std::move(applied);
  }

  Result<void> note(journal::Notes) override { return {}; }
  void watch(journal::Watcher*) override {}

  // Answers those who wait.
  void answer(const Result<void>& result) {
    for (auto waiting = std::exchange(waiting_, {}); !waiting.empty(); waiting.pop_front()) {
      if (waiting.front()) waiting.front()(result);
    }
  }

 private:
  void wait(journal::Kept kept) {
    waiting_.push_back(std::move(kept));
    if (!disk_.keeps) return;
    scheduler_.post([this] { answer({}); });
  }

  Disk& disk_;
  Scheduler& scheduler_;
  const std::string id_ = "journal";
  std::deque<journal::Kept> waiting_;
};

}  // namespace forebay::test
