#pragma once

// A source of a program's own as such programs were written before a source's abilities became interfaces: it
// overrides the functions of Source and Dataset, all that there were. It must go on compiling as it stands,
// and doing what it did.

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "forebay/source.h"

namespace forebay::test {

class OwnSource final : public Source {
 public:
  // ---- What a test does and sees.

  // Writes to a row as somebody else does.
  void change(const std::string& id, const std::string& value) {
    std::lock_guard lock(mutex_);
    put(id, value);
  }
  void fail_polls(bool fail) {
    std::lock_guard lock(mutex_);
    polls_fail_ = fail;
  }
  std::size_t failed_polls() {
    std::lock_guard lock(mutex_);
    return failed_polls_;
  }
  std::string row(const std::string& id) {
    std::lock_guard lock(mutex_);
    const auto row = rows_.find(id);
    return row == rows_.end() ? "(none)" : row->second;
  }
  std::vector<std::string> watched() {
    std::lock_guard lock(mutex_);
    return watched_;
  }
  std::size_t validated() {
    std::lock_guard lock(mutex_);
    return validated_;
  }

  // ---- Source

  std::size_t concurrency() const override { return 2; }
  Result<std::unique_ptr<Dataset>> open_dataset(const DatasetSpec& spec) override {
    if (spec.table != "things") return Error{ErrorCode::kConfig, "there is no table " + spec.table};
    return std::unique_ptr<Dataset>(std::make_unique<Things>(*this));
  }
  Result<void> ping(const CallContext&) override { return {}; }

  Result<std::vector<RowChange>> poll_changes(const CallContext&) override {
    std::lock_guard lock(mutex_);
    if (polls_fail_) {
      ++failed_polls_;
      throw std::string("no log today");
    }
    return std::exchange(changes_, {});
  }
  Result<void> watch_tables(std::span<const std::string> tables) override {
    std::lock_guard lock(mutex_);
    watched_.assign(tables.begin(), tables.end());
    return {};
  }

  Result<std::vector<std::uint64_t>> open_ledger(const std::string&, std::uint32_t lanes,
                                                 const CallContext&) override {
    std::lock_guard lock(mutex_);
    std::vector<std::uint64_t> positions;
    for (std::uint32_t lane = 0; lane < lanes; ++lane) positions.push_back(positions_[lane]);
    return positions;
  }
  Result<BatchOutcome> apply(const WriteBatch& batch, const CallContext& context) override {
    BatchOutcome outcome;
    {
      std::lock_guard lock(mutex_);
      if (positions_[batch.lane] == batch.upto) return outcome;
      if (positions_[batch.lane] != batch.after) return Error{ErrorCode::kConflict, "another position"};
    }
    for (std::size_t i = 0; i < batch.writes.size(); ++i) {
      for (const Write& write : batch.writes[i].writes) {
        const auto* upsert = std::get_if<Upsert>(&write);
        if (upsert != nullptr && upsert->fields.front().second == "bad")
          outcome.refused.push_back({i, Error{ErrorCode::kRefused, "bad is no value"}});
      }
    }
    if (!outcome.refused.empty()) return outcome;
    for (const BatchWrite& one : batch.writes) {
      std::optional<Written> last;
      for (const Write& write : one.writes) {
        auto written = one.dataset->write(one.key, write, context);
        if (!written) return std::move(written).error();
        last = std::move(*written);
      }
      outcome.written.push_back(std::move(last));
    }
    std::lock_guard lock(mutex_);
    for (const BatchWrite& one : batch.writes) {
      if (one.revives)
        std::erase_if(dead_, [&](const DeadLetter& letter) { return letter.id == *one.revives; });
    }
    dead_.insert(dead_.end(), batch.dead.begin(), batch.dead.end());
    positions_[batch.lane] = batch.upto;
    return outcome;
  }

  Result<std::vector<DeadLetter>> dead_letters(const std::optional<DeadId>& after, std::size_t limit,
                                               const CallContext&) override {
    std::lock_guard lock(mutex_);
    std::vector<DeadLetter> page;
    for (const DeadLetter& letter : dead_) {
      if (page.size() < limit && (!after || *after < letter.id)) page.push_back(letter);
    }
    return page;
  }
  Result<std::optional<DeadLetter>> dead_letter(const DeadId& id, const CallContext&) override {
    std::lock_guard lock(mutex_);
    const auto letter = std::ranges::find(dead_, id, &DeadLetter::id);
    return letter == dead_.end() ? std::nullopt : std::optional(*letter);
  }
  Result<bool> edit_dead_letter(const DeadId& id, const std::string& operation, const CallContext&) override {
    std::lock_guard lock(mutex_);
    const auto letter = std::ranges::find(dead_, id, &DeadLetter::id);
    if (letter == dead_.end()) return false;
    letter->operation = operation;
    return true;
  }
  Result<bool> drop_dead_letter(const DeadId& id, const CallContext&) override {
    std::lock_guard lock(mutex_);
    return std::erase_if(dead_, [&](const DeadLetter& letter) { return letter.id == id; }) > 0;
  }

 private:
  class Things final : public Dataset {
   public:
    explicit Things(OwnSource& source) : source_(source) {}

    Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext&) override {
      std::lock_guard lock(source_.mutex_);
      std::vector<Loaded> all;
      for (const KeyFields& key : keys) {
        const auto row = source_.rows_.find(key.front());
        all.push_back({.value = row == source_.rows_.end() ? std::nullopt : std::optional(row->second)});
      }
      return all;
    }
    Result<Written> write(const KeyFields& key, const Write& write, const CallContext&) override {
      std::lock_guard lock(source_.mutex_);
      Written written;
      written.existed = source_.rows_.contains(key.front());
      const auto* upsert = std::get_if<Upsert>(&write);
      const auto* update = std::get_if<Update>(&write);
      if (upsert != nullptr || update != nullptr) {
        const Fields& fields = upsert != nullptr ? upsert->fields : update->fields;
        source_.rows_[key.front()] = fields.front().second.value_or("");
        written.after.value = source_.rows_[key.front()];
      } else {
        source_.rows_.erase(key.front());
      }
      return written;
    }
    Result<void> validate(const KeyFields& key, const Write&) const override {
      std::lock_guard lock(source_.mutex_);
      ++source_.validated_;
      if (key.front() == "impossible") return Error{ErrorCode::kRefused, "no such key"};
      return {};
    }
    Shown shown(std::string_view, Given, std::string& text) const override {
      if (text == "shout") text = "SHOUT";
      return Shown::kString;
    }
    bool batches() const override { return false; }

   private:
    OwnSource& source_;
  };

  void put(const std::string& id, const std::string& value) {
    RowChange change;
    change.table = "things";
    change.images.after = {{"id", id}, {"body", value}};
    rows_[id] = value;
    changes_.push_back(std::move(change));
  }

  std::mutex mutex_;
  std::map<std::string, std::string> rows_;
  std::vector<RowChange> changes_;
  std::vector<std::string> watched_;
  bool polls_fail_ = false;
  std::size_t failed_polls_ = 0;
  std::size_t validated_ = 0;
  std::map<std::uint32_t, std::uint64_t> positions_;
  std::vector<DeadLetter> dead_;
};

}  // namespace forebay::test
