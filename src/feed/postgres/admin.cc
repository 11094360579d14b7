#include "feed/postgres/admin.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "feed/postgres/followed.h"
#include "feed/postgres/slot.h"
#include "source/sql_mapping.h"

namespace forebay::feed::postgres {

using source::quote_identifier;
using source::postgres::Call;
using source::postgres::cell;
using source::postgres::Connection;
using source::postgres::Pool;
using source::postgres::row_count;

namespace {

// One look, on connections of its own.
class Visit {
 public:
  explicit Visit(const config::Source& source)
      : source_(source),
        pool_(source.feed_url.empty() ? source.url : source.feed_url, 1, source.connect_timeout) {}

  Call call() const { return Call({source_.connect_timeout + source_.timeout, nullptr}); }
  Pool& pool() { return pool_; }
  const config::Source& source() const { return source_; }

  Result<Followed> look_at(std::span<const WatchedTable> tables) {
    if (auto fit = check_server(pool_, source_, call()); !fit) return std::move(fit).error();
    auto followed = look(pool_, tables, source_.publication, call());
    if (!followed) return followed.error().error;
    return std::move(*followed);
  }

 private:
  const config::Source& source_;
  Pool pool_;
};

}  // namespace

Result<std::vector<std::string>> check(const config::Source& source, std::span<const WatchedTable> tables) {
  Visit visit(source);
  auto followed = visit.look_at(tables);
  if (!followed) return std::move(followed).error();
  if (auto fit = check_publication(source.publication, followed->publication); !fit)
    return std::move(fit).error();
  // What the feed would publish is not a shortcoming.
  for (auto& [number, leaf] : followed->leaves) leaf.published = true;
  return shortcomings(*followed);
}

Result<std::vector<std::string>> statements(const config::Source& source,
                                            std::span<const WatchedTable> tables) {
  Visit visit(source);
  auto followed = visit.look_at(tables);
  if (!followed) return std::move(followed).error();
  std::vector<std::string> all;
  for (const auto& [number, leaf] : followed->leaves) {
    if (!leaf.has_rows || !leaf.logged || leaf.whole) continue;
    const auto& wanted = followed->columns.at(leaf.root);
    const bool covered =
        std::ranges::all_of(wanted, [&](const auto& column) { return leaf.identity.contains(column); });
    if (leaf.identified && covered) continue;
    all.push_back(fmt::format("ALTER TABLE {} REPLICA IDENTITY FULL;", leaf.name));
  }
  // As it would be after those.
  for (auto& [number, leaf] : followed->leaves) leaf.identified |= leaf.logged;
  if (const std::string statement = publication_statement(source.publication, *followed); !statement.empty())
    all.push_back(statement + ";");
  auto role = visit.pool().read(visit.call(), [&](Connection& connection) {
    return connection.execute(
        "SELECT pg_catalog.quote_ident(current_user) FROM pg_catalog.pg_roles r"
        " WHERE r.rolname = current_user AND NOT r.rolreplication AND NOT r.rolsuper",
        {}, visit.call());
  });
  if (!role) return role.error().error;
  if (row_count(*role) > 0) all.push_back(fmt::format("ALTER ROLE {} REPLICATION;", cell(*role, 0, 0)));
  return all;
}

Result<std::vector<std::string>> remove(const config::Source& source) {
  Visit visit(source);
  std::vector<std::string> removed;
  if (!source.slot.empty()) {
    const OptionalText named[] = {source.slot};
    auto dropped = visit.pool().read(visit.call(), [&](Connection& connection) {
      return connection.execute(
          "SELECT pg_catalog.pg_drop_replication_slot(s.slot_name) FROM pg_catalog.pg_replication_slots s"
          " WHERE s.slot_name = $1",
          named, visit.call());
    });
    if (!dropped) return dropped.error().error;
    if (row_count(*dropped) > 0) removed.push_back(fmt::format("the slot {}", source.slot));
  }
  const OptionalText named[] = {source.publication};
  auto found = visit.pool().read(visit.call(), [&](Connection& connection) {
    return connection.execute("SELECT 1 FROM pg_catalog.pg_publication p WHERE p.pubname = $1", named,
                              visit.call());
  });
  if (!found) return found.error().error;
  if (row_count(*found) == 0) return removed;
  auto dropped = visit.pool().write(visit.call(), [&](Connection& connection) {
    return connection.command("DROP PUBLICATION " + quote_identifier(source.publication), visit.call());
  });
  if (!dropped) return dropped.error().error;
  removed.push_back(fmt::format("the publication {}", source.publication));
  return removed;
}

}  // namespace forebay::feed::postgres
