#include "feed/postgres/snapshot.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace forebay::feed::postgres {

using source::postgres::Call;
using source::postgres::Connection;
using source::postgres::Failure;
using source::postgres::Outcome;
using source::postgres::Pool;

namespace {

// Takes a number and, if there is one, the letter after it from the beginning of a text.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

}  // namespace

bool Snapshot::shows(std::uint64_t transaction) const {
  if (transaction < begin) return true;
  return transaction < end && !std::ranges::binary_search(in_progress, transaction);
}

std::optional<Snapshot> parse_snapshot(std::string_view text) {
  Snapshot snapshot;
  const auto begin = take_number(text);
  if (!begin || !text.starts_with(':')) return std::nullopt;
  text.remove_prefix(1);
  const auto end = take_number(text);
  if (!end || !text.starts_with(':')) return std::nullopt;
  snapshot.begin = *begin;
  snapshot.end = *end;
  while (text.size() > 1) {
    text.remove_prefix(1);
    const auto number = take_number(text);
    if (!number || (!text.empty() && text.front() != ',')) return std::nullopt;
    snapshot.in_progress.push_back(*number);
  }
  if (text == ",") return std::nullopt;
  std::ranges::sort(snapshot.in_progress);
  return snapshot;
}

Outcome<Snapshot> take_snapshot(Pool& pool, const Call& call) {
  const auto rows = pool.read(call, [&](Connection& connection) {
    return connection.execute("SELECT pg_catalog.txid_current_snapshot()", {}, call);
  });
  if (!rows) return std::unexpected(rows.error());
  auto snapshot = parse_snapshot(source::postgres::cell(*rows, 0, 0));
  if (!snapshot)
    return std::unexpected(
        Failure{{ErrorCode::kUnavailable, "the server answered with no snapshot"}, {}, false});
  return std::move(*snapshot);
}

std::uint64_t widened(std::uint32_t transaction, std::uint64_t near) {
  const auto distance = static_cast<std::int32_t>(transaction - static_cast<std::uint32_t>(near));
  return near + static_cast<std::uint64_t>(static_cast<std::int64_t>(distance));
}

}  // namespace forebay::feed::postgres
