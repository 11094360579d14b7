#include "source/mysql/batches.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "source/batch_steps.h"
#include "source/ledger.h"
#include "source/mysql/ledger_rows.h"
#include "source/mysql/table.h"

namespace forebay::source::mysql {
namespace {

// Writes of a batch that share a savepoint: so many are made again for each that is refused, and each savepoint is
// two round trips.
constexpr std::size_t kPart = 32;
// How long the server keeps a transaction that does nothing, at least.
constexpr std::chrono::seconds kPatienceLeast{10};

// A batch in a transaction that has begun.
class Steps final : public BatchSteps<Failure> {
 public:
  Steps(Connection& connection, const std::string& where, const WriteBatch& batch, const Call& call)
      : connection_(connection), where_(where), batch_(batch), call_(call) {}

  Step<std::vector<std::optional<std::uint64_t>>> positions() override {
    if (auto limited = limit_idleness(); !limited) return std::unexpected(std::move(limited).error());
    std::vector<std::optional<std::uint64_t>> all;
    for (const LaneRange& range : lanes_of(batch_)) {
      const Parameter lane[] = {batch_.journal, std::uint64_t{range.lane}};
      auto row = connection_.execute(
          "SELECT last_seq FROM forebay_applied WHERE journal = ? AND lane = ? FOR UPDATE", lane, call_);
      if (!row) return std::unexpected(std::move(row).error());
      all.emplace_back();
      if (row->count() > 0) all.back() = number_in(*row, 0, 0);
    }
    // For who takes the journal over while this holds its lanes.
    const Parameter holder[] = {connection_.id(), batch_.journal,
                                std::uint64_t{lanes_of(batch_).front().lane}};
    auto told = connection_.execute("UPDATE forebay_applied SET session = ? WHERE journal = ? AND lane = ?",
                                    holder, call_);
    if (!told) return std::unexpected(std::move(told).error());
    if (batch_.process.empty()) return all;
    // After the locks, and so after whoever took the journal over meanwhile: he takes them, too.
    const Parameter journal[] = {batch_.journal};
    auto owner = connection_.execute("SELECT process FROM forebay_owner WHERE journal = ?", journal, call_);
    if (!owner) return std::unexpected(std::move(owner).error());
    if (owner->count() == 0 || owner->cell(0, 0) != batch_.process)
      return std::unexpected(fault(not_the_owner(where_, batch_)));
    return all;
  }
  Step<void> save() override { return connection_.command("SAVEPOINT forebay_write", call_); }
  Step<std::vector<std::optional<Written>>> write(std::size_t first, std::size_t last,
                                                  std::size_t& failed) override {
    std::vector<std::optional<Written>> all;
    for (failed = first; failed < last; ++failed) {
      auto written = apply_one(batch_.writes[failed]);
      if (!written) return std::unexpected(named(std::move(written).error(), batch_.writes[failed]));
      all.push_back(std::move(*written));
    }
    return all;
  }
  Step<void> keep() override {
    if (auto released = connection_.command("RELEASE SAVEPOINT forebay_write", call_); !released)
      return released;
    return save();
  }
  Step<void> undo() override { return connection_.command("ROLLBACK TO SAVEPOINT forebay_write", call_); }
  Step<void> finish(const std::vector<DeadLetter>& more) override {
    for (const auto* letters : {&batch_.dead, &more}) {
      if (auto put = set_aside(*letters); !put) return put;
    }
    for (const LaneRange& range : lanes_of(batch_)) {
      const Parameter position[] = {range.upto, batch_.journal, std::uint64_t{range.lane}};
      auto moved = connection_.execute(
          "UPDATE forebay_applied SET last_seq = ?, session = NULL WHERE journal = ? AND lane = ?", position,
          call_);
      if (!moved) return std::unexpected(std::move(moved).error());
    }
    return {};
  }

  Cause cause(const Failure& failure) const override { return cause_of(failure); }
  Failure fault(Error error) const override { return ours(std::move(error)); }
  BatchOutcome::Refusal refusal(std::size_t place, Failure failure) const override {
    const bool early = may_be_early(failure);
    return {place, std::move(failure.error), early};
  }

 private:
  // Where this machine dies, what it has locked is let go soon. MySQL has no such setting.
  Step<void> limit_idleness() {
    if (!connection_.is_mariadb()) return {};
    const auto patience =
        std::max(std::chrono::ceil<std::chrono::seconds>(2 * call_.timeout), kPatienceLeast);
    return connection_.command(fmt::format("SET SESSION idle_transaction_timeout = {}", patience.count()),
                               call_);
  }

  Step<std::optional<Written>> apply_one(const BatchWrite& one) {
    std::optional<Written> last;
    if (one.revives) {
      auto dropped = connection_.execute(dead::kDrop, parameters_of(*one.revives), call_);
      if (!dropped) return std::unexpected(std::move(dropped).error());
      if (dropped->affected == 0) return last;  // gone: passed over
    }
    const auto* dataset = dynamic_cast<const BatchedDataset*>(one.dataset);
    for (const Write& write : one.writes) {
      if (dataset == nullptr)
        return std::unexpected(fault({ErrorCode::kUnsupported, "only a table takes batches of writes"}));
      auto written = dataset->write_within(connection_, one.key, write, call_);
      if (!written) return std::unexpected(std::move(written).error());
      if (last) {
        // What the writes before this one have changed besides.
        AlsoChanged& also = written->also;
        also.tables.insert(also.tables.end(), last->also.tables.begin(), last->also.tables.end());
        also.anything |= last->also.anything;
      }
      last = std::move(*written);
    }
    return last;
  }

  // Where the batch broke off, for whoever looks for what holds it. A refusal names its key by itself.
  Failure named(Failure failure, const BatchWrite& one) const {
    if (cause(failure) != Cause::kData)
      failure.error.message += fmt::format(" (at the row with the key {})", fmt::join(one.key, ", "));
    return failure;
  }

  Step<void> set_aside(const std::vector<DeadLetter>& letters) {
    for (const DeadLetter& dead : letters) {
      DeadText text(dead, Charset::kUtf8);
      std::vector<Parameter> values = parameters_of(dead_id_in(batch_, dead));
      for (std::string* each : {&text.space, &text.key, &text.operation, &text.error})
        values.emplace_back(std::move(*each));
      if (auto put = connection_.execute(dead::kPutAside, values, call_); !put)
        return std::unexpected(std::move(put).error());
    }
    return {};
  }

  Connection& connection_;
  const std::string& where_;
  const WriteBatch& batch_;
  const Call& call_;
};

}  // namespace

Result<BatchOutcome> apply_batch(Pool& pool, const std::string& where, const WriteBatch& batch,
                                 const Call& call) {
  BatchOutcome outcome;
  bool nothing_done = false;
  auto done = pool.write(call, [&](Connection& connection) -> Outcome<void> {
    outcome = BatchOutcome();
    nothing_done = false;
    Steps steps(connection, where, batch, call);
    auto applied = BatchInParts<Failure>(steps, batch, kPart, where).apply();
    if (!applied) return std::unexpected(std::move(applied).error());
    outcome = std::move(*applied);
    nothing_done = !outcome.refused.empty() && !outcome.put_aside;
    // Rolled back: what was refused is all that is wanted of it.
    if (nothing_done) return std::unexpected(ours({ErrorCode::kRefused, "refused"}));
    return {};
  });
  if (done || nothing_done) return outcome;
  // A table's errors say already where they are.
  const Failure& failure = done.error();
  const bool there = failure.error.message.starts_with(where);
  return unapplied(there ? failure.error : located(failure, where), cause_of(failure));
}

}  // namespace forebay::source::mysql
