#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "layer/port/ledger_port.h"
#include "layer/port/source_port.h"
#include "support/manual_time.h"

namespace forebay::test {

// A system of record in simulated time. A load reads the rows when it begins and answers `load_takes` later;
// a write commits after `commit_takes` and answers after `write_takes`: what happens in between is the test's
// to choose.
class SimSource final : public layer::SourcePort {
 public:
  SimSource(ManualClock& clock, ManualScheduler& scheduler) : clock_(clock), scheduler_(scheduler) {}

  // ---- What a test sets.
  std::map<std::string, std::string> rows;  // by key fields joined with '|'
  Duration load_takes = std::chrono::milliseconds(10);
  Duration load_takes_a_key{};  // as well; a load that would take longer than its timeout ends with that
  Duration commit_takes = std::chrono::milliseconds(5);
  Duration write_takes = std::chrono::milliseconds(10);
  std::optional<Error> load_error;
  std::string poison;             // a load with this key in it is refused
  std::function<void()> on_load;  // called when a load reads the rows
  std::optional<Error> write_error;
  bool commit_despite_error = false;  // the write happens and the answer is lost
  // A write is answered with this transaction, unconfirmed; it commits when commit_takes is over all the same.
  std::optional<std::uint64_t> unconfirmed;
  Result<bool> ended = false;  // what has_ended() says
  AlsoChanged also;            // of every write and batch
  bool batches = true;
  std::size_t connections = 4;
  std::uint64_t change_number =
      0;                // evidence of loads and writes; raised by the test where a feed is simulated
  bool proves = false;  // loads carry evidence
  std::optional<Error> ping_error;
  Duration apply_commits = std::chrono::milliseconds(5);  // a batch, after it was sent
  Duration apply_takes = std::chrono::milliseconds(10);
  std::optional<Error> apply_error;  // nothing is committed, unless:
  bool apply_commits_despite_error = false;
  std::map<std::string, std::string> refuses;  // rows by name, with the reason
  std::optional<Error> ledger_error;
  std::map<std::string, KnownTable> tables;  // what names mean; others say it themselves
  std::optional<Error> names_error;
  bool by_spelling = true;     // DatasetPort::found_by_spelling()
  std::string unknown_column;  // writes that name it are found wrong without the source

  // ---- What a test sees.
  std::vector<std::vector<std::string>> loads;
  std::size_t writes = 0;
  Upsert last_upsert;
  std::size_t pings = 0;
  std::size_t asked = 0;                             // has_ended()
  std::vector<std::size_t> applies;                  // how many rows each batch had that was committed
  std::size_t tries = 0;                             // batches sent
  std::map<std::uint32_t, std::uint64_t> positions;  // the ledger, by lane
  std::vector<DeadLetter> dead;
  std::size_t running = 0, most_running = 0;
  std::vector<std::shared_ptr<CancelFlag>> cancels;

  std::size_t calls() const { return loads.size(); }
  std::size_t keys_loaded() const {
    std::size_t total = 0;
    for (const auto& load : loads) total += load.size();
    return total;
  }

  // ---- layer::SourcePort
  std::size_t concurrency() const override { return connections; }
  Result<std::shared_ptr<layer::DatasetPort>> open(const DatasetSpec& spec) override {
    return std::shared_ptr<layer::DatasetPort>(std::make_shared<Rows>(*this, spec.value_column));
  }
  Result<std::vector<KnownTable>> known_tables(const std::vector<std::string>& names,
                                               const layer::CallOptions&) override {
    if (names_error) return *names_error;
    std::vector<KnownTable> known;
    for (const std::string& name : names)
      known.push_back(tables.contains(name) ? tables[name] : KnownTable());
    return known;
  }
  void ping(layer::CallOptions, layer::PingDone done) override {
    ++pings;
    auto answer = ping_error ? Result<void>(*ping_error) : Result<void>();
    scheduler_.post_at(
        clock_.now() + std::chrono::milliseconds(1),
        [done = std::move(done), answer = std::move(answer)]() mutable { done(std::move(answer)); });
  }
  layer::LedgerPort* ledger() override { return &ledger_; }

 private:
  // The calls of layer::LedgerPort. Those on dead letters take a millisecond.
  class Ledger final : public layer::LedgerPort {
   public:
    explicit Ledger(SimSource& source) : source_(source) {}

    Result<void> prepare(const std::string&, std::uint32_t, const layer::CallOptions&) override { return {}; }
    void open(std::string journal, std::uint32_t lanes, layer::CallOptions,
              layer::Done<layer::PortLedger> done) override {
      source_.soon(std::move(done),
                   [this, journal = std::move(journal), lanes]() -> Result<layer::PortLedger> {
                     if (source_.ledger_error) return *source_.ledger_error;
                     return source_.ledger_of(journal, lanes);
                   });
    }
    void apply(layer::PortBatch batch, layer::CallOptions, layer::Done<BatchOutcome> done) override {
      source_.apply(std::move(batch), std::move(done));
    }
    void dead_letters(std::optional<DeadId> after, std::size_t limit, layer::CallOptions,
                      layer::Done<std::vector<DeadLetter>> done) override {
      source_.soon(std::move(done), [this, after = std::move(after), limit] {
        std::vector<DeadLetter> page;
        for (const DeadLetter& letter : source_.in_order()) {
          if (page.size() < limit && (!after || place(*after) < place(letter.id))) page.push_back(letter);
        }
        return page;
      });
    }
    void all_dead_letters(Wanted wanted, layer::CallOptions,
                          layer::Done<std::vector<DeadLetter>> done) override {
      source_.soon(std::move(done), [this, wanted = std::move(wanted)] {
        std::vector<DeadLetter> picked = source_.in_order();
        std::erase_if(picked, [&](const DeadLetter& letter) { return !wanted(letter); });
        return picked;
      });
    }
    void dead_letter(DeadId id, layer::CallOptions, layer::Done<std::optional<DeadLetter>> done) override {
      source_.soon(std::move(done), [this, id = std::move(id)]() -> std::optional<DeadLetter> {
        const auto letter = std::ranges::find(source_.dead, id, &DeadLetter::id);
        if (letter == source_.dead.end()) return std::nullopt;
        return *letter;
      });
    }
    void edit_dead_letter(DeadId id, std::string operation, layer::CallOptions,
                          layer::Done<bool> done) override {
      source_.soon(std::move(done), [this, id = std::move(id), operation = std::move(operation)] {
        const auto letter = std::ranges::find(source_.dead, id, &DeadLetter::id);
        if (letter == source_.dead.end()) return false;
        letter->operation = operation;
        return true;
      });
    }
    void drop_dead_letter(DeadId id, layer::CallOptions, layer::Done<bool> done) override {
      source_.soon(std::move(done), [this, id = std::move(id)] {
        return std::erase_if(source_.dead, [&](const DeadLetter& letter) { return letter.id == id; }) > 0;
      });
    }

   private:
    SimSource& source_;
  };

  static std::tuple<std::string, std::uint64_t, std::uint32_t> place(const DeadId& id) {
    return {id.journal, id.seq, id.lane};
  }
  std::vector<DeadLetter> in_order() const {
    std::vector<DeadLetter> letters = dead;
    std::ranges::sort(letters, {}, [](const DeadLetter& letter) { return place(letter.id); });
    return letters;
  }
  template <class T, class Work>
  void soon(layer::Done<T> done, Work work) {
    scheduler_.post_at(
        clock_.now() + std::chrono::milliseconds(1),
        [done = std::move(done), work = std::move(work)]() mutable { done(Result<T>(work())); });
  }
  void apply(layer::PortBatch batch, layer::Done<BatchOutcome> done) {
    ++tries;
    begin();
    auto outcome = std::make_shared<Result<BatchOutcome>>(BatchOutcome{});
    scheduler_.post_at(clock_.now() + apply_commits, [this, outcome, batch = std::move(batch)] {
      if (apply_error && !apply_commits_despite_error) {
        *outcome = *apply_error;
        return;
      }
      **outcome = commit(batch);
      if (apply_error) *outcome = *apply_error;
    });
    scheduler_.post_at(clock_.now() + apply_takes, [this, outcome, done = std::move(done)]() mutable {
      --running;
      done(std::move(*outcome));
    });
  }
  layer::PortLedger ledger_of(const std::string& journal, std::uint32_t lanes) {
    layer::PortLedger ledger;
    for (std::uint32_t lane = 0; lane < lanes; ++lane) ledger.positions.push_back(positions[lane]);
    for (const DeadLetter& letter : dead) {
      if (letter.id.journal == journal) ledger.dead.push_back(letter);
    }
    return ledger;
  }
  BatchOutcome commit(const layer::PortBatch& batch) {
    BatchOutcome outcome;
    std::uint64_t& position = positions[batch.lane];
    if (position == batch.upto) return outcome;
    for (std::size_t i = 0; i < batch.writes.size(); ++i) {
      const auto refused = refuses.find(join(batch.writes[i].key));
      if (refused == refuses.end()) continue;
      outcome.refused.push_back({i, Error{ErrorCode::kRefused, refused->second}});
    }
    if (!outcome.refused.empty()) return outcome;
    for (const auto& one : batch.writes) {
      Written written;
      bool existed = rows.contains(join(one.key));
      for (const Write& write : one.writes) {
        written = {};
        static_cast<Rows&>(*one.dataset).apply(join(one.key), write, written);
      }
      written.existed = existed;
      outcome.written.push_back(std::move(written));
    }
    for (const DeadLetter& letter : batch.dead) dead.push_back(letter);
    outcome.also = also;
    position = batch.upto;
    applies.push_back(batch.writes.size());
    return outcome;
  }

  static std::string join(const KeyFields& fields) {
    std::string joined;
    for (const auto& field : fields) joined += (joined.empty() ? "" : "|") + field;
    return joined;
  }

  class Rows final : public layer::DatasetPort {
   public:
    Rows(SimSource& source, std::string value_column)
        : source_(source), value_column_(std::move(value_column)) {}
    bool batches() const override { return source_.batches; }
    bool found_by_spelling(std::size_t) const override { return source_.by_spelling; }

    void load(std::vector<KeyFields> keys, layer::CallOptions options, layer::LoadDone done) override {
      if (source_.on_load) source_.on_load();
      std::vector<std::string> names;
      std::vector<layer::LoadedValue> values;
      for (const auto& key : keys) {
        names.push_back(join(key));
        layer::LoadedValue value;
        if (const auto row = source_.rows.find(names.back()); row != source_.rows.end()) {
          value.value = Value::bytes(row->second);
        }
        if (source_.proves) value.evidence = source_.change_number;
        values.push_back(std::move(value));
      }
      source_.loads.push_back(std::move(names));
      source_.cancels.push_back(options.cancel);
      source_.begin();
      if (!source_.poison.empty() && std::ranges::count(source_.loads.back(), source_.poison) > 0) {
        source_.scheduler_.post_at(source_.clock_.now() + source_.load_takes,
                                   [this, done = std::move(done)]() mutable {
                                     --source_.running;
                                     done(Error{ErrorCode::kRefused, "division by zero"});
                                   });
        return;
      }
      const Duration takes = source_.load_takes + source_.load_takes_a_key * source_.loads.back().size();
      if (source_.load_takes_a_key > Duration{} && takes > options.timeout) {
        source_.scheduler_.post_at(source_.clock_.now() + options.timeout,
                                   [this, done = std::move(done)]() mutable {
                                     --source_.running;
                                     done(Error{ErrorCode::kTimeout, "statement timeout"});
                                   });
        return;
      }
      auto answer = source_.load_error ? Result<std::vector<layer::LoadedValue>>(*source_.load_error)
                                       : Result<std::vector<layer::LoadedValue>>(std::move(values));
      source_.scheduler_.post_at(source_.clock_.now() + takes,
                                 [this, done = std::move(done), answer = std::move(answer)]() mutable {
                                   --source_.running;
                                   done(std::move(answer));
                                 });
    }

    void write(KeyFields key, Write write, layer::CallOptions, layer::WriteDone done) override {
      ++source_.writes;
      source_.begin();
      auto outcome = std::make_shared<Result<Written>>(Written{});
      source_.scheduler_.post_at(
          source_.clock_.now() + source_.commit_takes,
          [this, outcome, name = join(key), write = std::move(write), error = source_.write_error] {
            if (!error || source_.commit_despite_error) {
              apply(name, write, **outcome);
            }
            if (error) *outcome = *error;
          });
      source_.scheduler_.post_at(
          source_.clock_.now() + source_.write_takes,
          [this, outcome, unconfirmed = source_.unconfirmed, done = std::move(done)]() mutable {
            --source_.running;
            if (*outcome) (*outcome)->also = source_.also;
            if (unconfirmed) (*outcome)->unconfirmed = Unconfirmed{*unconfirmed, "no answer to COMMIT"};
            done(Result<Written>(*outcome));
          });
    }
    void has_ended(std::uint64_t transaction, layer::CallOptions, layer::EndedDone done) override {
      ++source_.asked;
      source_.soon(std::move(done), [this, transaction]() -> Result<bool> {
        if (source_.unconfirmed != transaction) return Error{ErrorCode::kInternal, "another transaction"};
        return source_.ended;
      });
    }

    Result<void> validate(const KeyFields&, const Write& write) const override {
      const auto* update = std::get_if<Update>(&write);
      if (update == nullptr || update->fields.front().first != source_.unknown_column) return {};
      return Error{ErrorCode::kInvalidArgument, "there is no column " + source_.unknown_column};
    }

    void apply(const std::string& name, const Write& write, Written& written) {
      written.existed = source_.rows.contains(name);
      if (const auto* upsert = std::get_if<Upsert>(&write)) {
        source_.last_upsert = *upsert;
        source_.rows[name] = upsert->fields.front().second.value_or("");
      } else if (const auto* update = std::get_if<Update>(&write)) {
        source_.rows[name] = update->fields.front().second.value_or("");
      } else if (const auto* add = std::get_if<Add>(&write)) {
        auto& row = source_.rows[name];
        row = std::to_string((row.empty() ? 0 : std::stoll(row)) + std::stoll(add->amount));
        written.added = row;
      } else {
        source_.rows.erase(name);
      }
      if (source_.proves) written.after.evidence = ++source_.change_number;
      if (const auto row = source_.rows.find(name); row != source_.rows.end())
        written.after.value = row->second;
    }

   private:
    SimSource& source_;
    std::string value_column_;
  };

  void begin() {
    ++running;
    most_running = std::max(most_running, running);
  }

  ManualClock& clock_;
  ManualScheduler& scheduler_;
  Ledger ledger_{*this};
};

}  // namespace forebay::test
