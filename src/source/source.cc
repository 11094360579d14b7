#include "forebay/source.h"

namespace forebay {
namespace {

Error no_ledger() {
  return {ErrorCode::kUnsupported, "this source has no ledger, which write = \"behind\" needs"};
}

// The ledger of a source that overrides the earlier functions.
class EarlierLedger final : public Ledger {
 public:
  explicit EarlierLedger(Source& source) : source_(source) {}

  Result<std::vector<std::uint64_t>> open(const std::string& journal, std::uint32_t lanes,
                                          const CallContext& context) override {
    return source_.open_ledger(journal, lanes, context);
  }
  Result<BatchOutcome> apply(const WriteBatch& batch, const CallContext& context) override {
    return source_.apply(batch, context);
  }
  Result<std::vector<DeadLetter>> dead_letters(const std::optional<DeadId>& after, std::size_t limit,
                                               const CallContext& context) override {
    return source_.dead_letters(after, limit, context);
  }
  Result<std::optional<DeadLetter>> dead_letter(const DeadId& id, const CallContext& context) override {
    return source_.dead_letter(id, context);
  }
  Result<bool> edit_dead_letter(const DeadId& id, const std::string& operation,
                                const CallContext& context) override {
    return source_.edit_dead_letter(id, operation, context);
  }
  Result<bool> drop_dead_letter(const DeadId& id, const CallContext& context) override {
    return source_.drop_dead_letter(id, context);
  }

 private:
  Source& source_;
};

class EarlierChangeLog final : public ChangeLog {
 public:
  explicit EarlierChangeLog(Source& source) : source_(source) {}

  Result<void> watch(std::span<const std::string> tables) override { return source_.watch_tables(tables); }
  Result<Changes> poll(const CallContext& context) override {
    auto rows = source_.poll_changes(context);
    if (!rows) return std::move(rows).error();
    return Changes{std::move(*rows), false};
  }

 private:
  Source& source_;
};

}  // namespace

Result<void> ChangeLog::watch_columns(std::span<const WatchedTable> tables) {
  std::vector<std::string> names;
  for (const WatchedTable& table : tables) names.push_back(table.name);
  return watch(names);
}

bool Dataset::found_by_spelling(std::size_t) const {
  return true;
}

Result<Fit> Dataset::fit(const CallContext&) {
  return Fit::kUnknown;
}

Result<std::vector<KnownTable>> Source::known_tables(std::span<const std::string> names, const CallContext&) {
  return std::vector<KnownTable>(names.size());
}

Result<Written> Dataset::write(const KeyFields&, const Write&, const CallContext&) {
  return Error{ErrorCode::kUnsupported, "this source does not take writes"};
}

Result<void> Dataset::validate(const KeyFields&, const Write&) const {
  return {};
}

Shown Dataset::shown(std::string_view, Given, std::string&) const {
  return Shown::kUnknown;
}

Result<bool> Source::has_ended(std::uint64_t, const CallContext&) {
  return true;
}

std::unique_ptr<Ledger> Source::ledger() {
  return std::make_unique<EarlierLedger>(*this);
}

std::unique_ptr<ChangeLog> Source::change_log() {
  return std::make_unique<EarlierChangeLog>(*this);
}

Result<std::vector<RowChange>> Source::poll_changes(const CallContext&) {
  return std::vector<RowChange>();
}

Result<void> Source::watch_tables(std::span<const std::string>) {
  return Error{ErrorCode::kUnsupported, "this source keeps no change log"};
}

Result<std::vector<std::uint64_t>> Source::open_ledger(const std::string&, std::uint32_t,
                                                       const CallContext&) {
  return no_ledger();
}

Result<BatchOutcome> Source::apply(const WriteBatch&, const CallContext&) {
  return no_ledger();
}

Result<std::vector<DeadLetter>> Source::dead_letters(const std::optional<DeadId>&, std::size_t,
                                                     const CallContext&) {
  return no_ledger();
}

Result<std::optional<DeadLetter>> Source::dead_letter(const DeadId&, const CallContext&) {
  return no_ledger();
}

Result<bool> Source::edit_dead_letter(const DeadId&, const std::string&, const CallContext&) {
  return no_ledger();
}

Result<bool> Source::drop_dead_letter(const DeadId&, const CallContext&) {
  return no_ledger();
}

Result<LedgerClaim> Ledger::claim(const LedgerOwner& owner, const CallContext&) {
  LedgerClaim claim;
  claim.epoch = owner.epoch;
  return claim;
}

Result<std::vector<KnownJournal>> Ledger::journals(const CallContext&) {
  return std::vector<KnownJournal>();
}

}  // namespace forebay
