#pragma once

// Who may take one of a source's slots, so that what waits for somebody's locks does not take them all.
//
// Calls belong to groups: the loads of a table (or of a query), the writes of a table, all batches of writes
// behind. A row that another program has locked, or a table that it rebuilds, stops the calls of one group;
// each then holds its slot until its time is up. Others must find a slot meanwhile:
//
//   - writes and batches together leave one slot free;
//   - a group with a call that has been running for kQuick leaves one slot free;
//   - a group whose last call took more than half of its time has half of the slots at most (one at least),
//     until a call of it ends sooner.
//
// A source with a single slot keeps nothing free, and one whose slots are wanted by a single group only keeps
// none for others. Decides only; not thread-safe. All calls take time linear in the slots that are taken.

#include <cstddef>
#include <cstdint>
#include <set>
#include <string_view>
#include <vector>

#include "forebay/clock.h"

namespace forebay::layer {

class SlotShares {
 public:
  static constexpr Duration kQuick = std::chrono::milliseconds(50);

  enum class Use : std::uint8_t { kLoad, kWrite, kBatch };
  struct Group {
    Use use = Use::kLoad;
    std::string_view of;  // the table, or the namespace; borrowed for as long as this lives
    auto operator<=>(const Group&) const = default;
  };
  using Ticket = std::uint64_t;

  explicit SlotShares(std::size_t limit) : limit_(limit) {}

  std::size_t taken() const { return running_.size(); }
  std::size_t free() const { return limit_ - running_.size(); }
  bool may_take(const Group& group, Instant now) const;
  // Requires a free slot. `within`: the time that the call has.
  Ticket take(const Group& group, Instant now, Duration within);
  void give_back(Ticket ticket, Instant now);

 private:
  struct Running {
    Ticket ticket;
    Group group;
    Instant since;
    Duration within;
  };

  std::size_t half() const { return limit_ < 2 ? 1 : limit_ / 2; }

  const std::size_t limit_;
  Ticket last_ = 0;
  std::vector<Running> running_;
  std::set<Group> known_;
  std::set<Group> stuck_;
};

}  // namespace forebay::layer
