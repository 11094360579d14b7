#include "forebay/source.h"

namespace forebay {
namespace {

Error no_ledger() {
  return {ErrorCode::kUnsupported, "this source has no ledger, which write = \"behind\" needs"};
}

}  // namespace

Result<Written> Dataset::write(const KeyFields&, const Write&, const CallContext&) {
  return Error{ErrorCode::kUnsupported, "this source does not take writes"};
}

Result<void> Dataset::validate(const KeyFields&, const Write&) const {
  return {};
}

Shown Dataset::shown(std::string_view, Given, std::string&) const {
  return Shown::kUnknown;
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

}  // namespace forebay
