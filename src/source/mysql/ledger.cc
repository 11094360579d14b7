#include "source/mysql/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "source/ledger.h"
#include "source/mysql/batches.h"
#include "source/mysql/catalog.h"
#include "source/mysql/ledger_rows.h"

namespace forebay::source::mysql {
namespace {

// For so long a claim waits for the transactions of an earlier owner before it ends their sessions.
constexpr const char* kLockPatience = "SET SESSION innodb_lock_wait_timeout = 1";

bool no_such_table(const Failure& failure) {
  return failure.code == code::kNoSuchTable;
}

// The tables as this role can use them.
Outcome<void> check_tables(Pool& pool, const Call& call) {
  for (const char* sql :
       {"SELECT journal, lane, last_seq, session FROM forebay_applied LIMIT 0", dead::kColumns,
        "SELECT journal, epoch, home, process, place, lease_until, renewals FROM forebay_owner "
        "LIMIT 0"}) {
    if (auto good = pool.ask(sql, {}, call); !good) return std::unexpected(std::move(good).error());
  }
  auto lacking = pool.ask(
      "SELECT table_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name IN "
      "('forebay_applied', 'forebay_dead', 'forebay_owner') AND (privileges NOT LIKE '%insert%' OR "
      "privileges NOT "
      "LIKE '%update%') LIMIT 1",
      {}, call);
  if (!lacking) return std::unexpected(std::move(lacking).error());
  if (lacking->count() == 0) return {};
  return std::unexpected(
      ours({ErrorCode::kConfig, fmt::format("the role lacks INSERT or UPDATE on {}", lacking->cell(0, 0))}));
}

Outcome<void> make_tables(Pool& pool, const Call& call) {
  auto good = check_tables(pool, call);
  if (good || !no_such_table(good.error())) return good;
  for (const std::string& sql : ledger_schema()) {
    auto made = pool.read(call, [&](Connection& connection) -> Outcome<Rows> {
      if (auto done = connection.define(sql, call); !done) return std::unexpected(std::move(done).error());
      return Rows();
    });
    if (!made) return std::unexpected(std::move(made).error());
  }
  return check_tables(pool, call);
}

// The tables' SQL for somebody else to run: in this role's database, with its rights.
std::vector<std::string> tables_for_role(Pool& pool, const Call& call) {
  auto asked = pool.ask("SELECT DATABASE(), CURRENT_USER()", {}, call);
  if (!asked || asked->count() == 0) return ledger_schema();
  const std::string schema = quoted(asked->cell(0, 0));
  const std::string_view user = asked->cell(0, 1);
  const std::size_t at = std::min(user.rfind('@'), user.size());
  const std::string role =
      fmt::format("'{}'@'{}'", user.substr(0, at), user.substr(std::min(at + 1, user.size())));
  std::vector<std::string> sql = ledger_schema(schema);
  for (const char* table : kLedgerTables)
    sql.push_back(fmt::format("GRANT SELECT, INSERT, UPDATE, DELETE ON {}.{} TO {}", schema, table, role));
  return sql;
}

class MysqlLedger final : public Ledger {
 public:
  MysqlLedger(Pool& pool, std::string where) : pool_(pool), where_(std::move(where)) {}

  Result<std::vector<std::uint64_t>> open(const std::string& journal, std::uint32_t lanes,
                                          const CallContext& context) override;
  Result<LedgerClaim> claim(const LedgerOwner& owner, const CallContext& context) override;
  Result<std::vector<KnownJournal>> journals(const CallContext& context) override;
  Result<BatchOutcome> apply(const WriteBatch& batch, const CallContext& context) override {
    return apply_batch(pool_, where_, batch, Call(context));
  }
  Result<std::vector<DeadLetter>> dead_letters(const std::optional<DeadId>& after, std::size_t limit,
                                               const CallContext& context) override;
  Result<std::optional<DeadLetter>> dead_letter(const DeadId& id, const CallContext& context) override;
  Result<bool> edit_dead_letter(const DeadId& id, const std::string& operation,
                                const CallContext& context) override;
  Result<bool> drop_dead_letter(const DeadId& id, const CallContext& context) override;

 private:
  Result<void> ready(const Call& call);
  Outcome<void> claim_within(Connection& connection, const LedgerOwner& owner, const Call& call,
                             LedgerClaim& claim, bool& waited);
  // Ends the sessions that hold the journal's lanes.
  void end_blockers(const std::string& journal, const Call& call);
  // Finds a letter, and changes it.
  Result<bool> change_letter(const DeadId& id, const char* sql, std::vector<Parameter> parameters,
                             const Call& call);

  Pool& pool_;
  const std::string where_;  // for messages
};

Result<void> MysqlLedger::ready(const Call& call) {
  auto made = make_tables(pool_, call);
  if (made) return {};
  if (cause_of(made.error()) != Cause::kSchema) return located(made.error(), where_);
  return no_ledger(located(made.error(), where_), tables_for_role(pool_, call));
}

Result<std::vector<std::uint64_t>> MysqlLedger::open(const std::string& journal, std::uint32_t lanes,
                                                     const CallContext& context) {
  const Call call(context);
  if (auto made = ready(call); !made) return made.error();
  std::vector<std::uint64_t> positions(lanes);
  auto done = pool_.write(call, [&](Connection& connection) -> Outcome<void> {
    for (std::uint64_t lane = 0; lane < lanes; ++lane) {
      const Parameter row[] = {journal, lane};
      auto filled = connection.execute(
          "INSERT INTO forebay_applied(journal, lane, last_seq) VALUES (?, ?, 0) ON DUPLICATE KEY UPDATE "
          "last_seq = "
          "last_seq",
          row, call);
      if (!filled) return std::unexpected(std::move(filled).error());
    }
    const Parameter wanted[] = {journal, std::uint64_t{lanes}};
    auto rows = connection.execute(
        "SELECT lane, last_seq FROM forebay_applied WHERE journal = ? AND lane < ?", wanted, call);
    if (!rows) return std::unexpected(std::move(rows).error());
    for (std::size_t i = 0; i < rows->count(); ++i)
      positions.at(number_in(*rows, i, 0)) = number_in(*rows, i, 1);
    return {};
  });
  if (!done) return located(done.error(), where_);
  return positions;
}

Outcome<void> MysqlLedger::claim_within(Connection& connection, const LedgerOwner& owner, const Call& call,
                                        LedgerClaim& claim, bool& waited) {
  const Parameter journal[] = {owner.journal};
  auto found = connection.execute(
      "SELECT epoch, home, process, place, renewals, lease_until > UNIX_TIMESTAMP(SYSDATE(3)) * 1000 "
      "FROM forebay_owner WHERE journal = ? FOR UPDATE",
      journal, call);
  if (!found) return std::unexpected(std::move(found).error());
  std::optional<OwnerRow> row;
  if (found->count() > 0) {
    row = OwnerRow{number_in(*found, 0, 0),        std::string(found->cell(0, 1)),
                   std::string(found->cell(0, 2)), std::string(found->cell(0, 3)),
                   number_in(*found, 0, 4),        found->cell(0, 5) == "1"};
  }
  claim = claim_against(owner, row);
  auto lanes = connection.execute("SELECT COUNT(*) FROM forebay_applied WHERE journal = ?", journal, call);
  if (!lanes) return std::unexpected(std::move(lanes).error());
  claim.known = row || number_in(*lanes, 0, 0) > 0;
  if (owner.known && !claim.known) claim.state = LedgerClaim::State::kUnknown;
  if (claim.state != LedgerClaim::State::kOwned) return {};
  if (!row || row->process != owner.process) {
    if (auto set = connection.command(kLockPatience, call); !set) return set;
    connection.limits_are_uncertain();
    auto locked = connection.execute(
        "SELECT lane FROM forebay_applied WHERE journal = ? ORDER BY lane FOR UPDATE", journal, call);
    if (!locked) {
      waited = locked.error().code == code::kLockWaitTimeout;
      return std::unexpected(std::move(locked).error());
    }
  }
  const std::uint64_t lease = static_cast<std::uint64_t>(owner.lease.count());
  const Parameter values[] = {owner.journal, claim.epoch, owner.home,    owner.process, owner.place, lease,
                              claim.epoch,   owner.home,  owner.process, owner.place,   lease};
  auto set = connection.execute(
      "INSERT INTO forebay_owner (journal, epoch, home, process, place, lease_until, renewals) VALUES "
      "(?, ?, ?, ?, ?, ? + FLOOR(UNIX_TIMESTAMP(SYSDATE(3)) * 1000), 1) ON DUPLICATE KEY UPDATE epoch = ?, "
      "home = ?, "
      "process = ?, place = ?, lease_until = ? + FLOOR(UNIX_TIMESTAMP(SYSDATE(3)) * 1000), renewals = "
      "renewals + 1",
      values, call);
  if (!set) return std::unexpected(std::move(set).error());
  return {};
}

Result<LedgerClaim> MysqlLedger::claim(const LedgerOwner& owner, const CallContext& context) {
  const Call call(context);
  if (auto made = ready(call); !made) return made.error();
  LedgerClaim claim;
  bool waited = false;  // for an earlier owner's transactions, for too long
  auto done = pool_.write(call, [&](Connection& connection) {
    waited = false;
    return claim_within(connection, owner, call, claim, waited);
  });
  if (done) return claim;
  if (waited) end_blockers(owner.journal, call);
  return located(done.error(), where_);
}

// What a transaction has written into the lanes that it holds is seen before it is committed.
void MysqlLedger::end_blockers(const std::string& journal, const Call& call) {
  [[maybe_unused]] const auto told = pool_.write(call, [&](Connection& connection) -> Outcome<void> {
    // Of the next transaction only; this one has read nothing yet.
    if (auto ended = connection.command("COMMIT", call); !ended) return ended;
    if (auto set = connection.command("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED", call); !set)
      return set;
    const Parameter parameters[] = {journal};
    auto held = connection.execute(
        "SELECT DISTINCT session FROM forebay_applied WHERE journal = ? AND session IS NOT NULL", parameters,
        call);
    if (!held) return std::unexpected(std::move(held).error());
    for (std::size_t i = 0; i < held->count(); ++i) {
      if (number_in(*held, i, 0) == connection.id()) continue;
      // One that has gone by itself is no matter.
      auto killed = connection.command(fmt::format("KILL CONNECTION {}", held->cell(i, 0)), call);
      if (!killed && killed.error().lost) return killed;
    }
    return {};
  });
}

Result<std::vector<KnownJournal>> MysqlLedger::journals(const CallContext& context) {
  const Call call(context);
  auto rows = pool_.ask(
      "SELECT journal, place FROM forebay_owner AS o WHERE EXISTS "
      "(SELECT 1 FROM forebay_applied AS a WHERE a.journal = o.journal) ORDER BY journal",
      {}, call);
  std::vector<KnownJournal> all;
  // Without the table, or a right to it, there is none of this role's.
  if (!rows && cause_of(rows.error()) == Cause::kSchema) return all;
  if (!rows) return located(rows.error(), where_);
  for (std::size_t i = 0; i < rows->count(); ++i)
    all.push_back({std::string(rows->cell(i, 0)), std::string(rows->cell(i, 1))});
  return all;
}

Result<std::vector<DeadLetter>> MysqlLedger::dead_letters(const std::optional<DeadId>& after,
                                                          std::size_t limit, const CallContext& context) {
  const Call call(context);
  std::vector<Parameter> parameters;
  if (after) parameters = {after->journal, after->seq, std::uint64_t{after->lane}};
  parameters.emplace_back(std::min<std::uint64_t>(limit, std::numeric_limits<std::int64_t>::max()));
  auto rows = pool_.ask(after ? dead::next_page() : dead::first_page(), parameters, call);
  std::vector<DeadLetter> letters;
  if (!rows && no_such_table(rows.error())) return letters;
  if (!rows) return located(rows.error(), where_);
  for (std::size_t i = 0; i < rows->count(); ++i) letters.push_back(letter_in(*rows, i));
  return letters;
}

Result<std::optional<DeadLetter>> MysqlLedger::dead_letter(const DeadId& id, const CallContext& context) {
  const Call call(context);
  auto rows = pool_.ask(dead::one(), parameters_of(id), call);
  std::optional<DeadLetter> letter;
  if (!rows && no_such_table(rows.error())) return letter;
  if (!rows) return located(rows.error(), where_);
  if (rows->count() > 0) letter = letter_in(*rows, 0);
  return letter;
}

Result<bool> MysqlLedger::change_letter(const DeadId& id, const char* sql, std::vector<Parameter> parameters,
                                        const Call& call) {
  for (Parameter& one : parameters_of(id)) parameters.push_back(std::move(one));
  bool found = false;
  auto done = pool_.write(call, [&](Connection& connection) -> Outcome<void> {
    auto letter = connection.execute(dead::kFind, parameters_of(id), call);
    if (!letter) return std::unexpected(std::move(letter).error());
    found = letter->count() > 0;
    if (!found) return {};
    auto changed = connection.execute(sql, parameters, call);
    if (!changed) return std::unexpected(std::move(changed).error());
    return {};
  });
  if (done) return found;
  if (no_such_table(done.error())) return false;
  return located(done.error(), where_);
}

Result<bool> MysqlLedger::edit_dead_letter(const DeadId& id, const std::string& operation,
                                           const CallContext& context) {
  return change_letter(id, dead::kEdit, {stored(operation, Charset::kUtf8)}, Call(context));
}

Result<bool> MysqlLedger::drop_dead_letter(const DeadId& id, const CallContext& context) {
  return change_letter(id, dead::kDrop, {}, Call(context));
}

}  // namespace

std::unique_ptr<Ledger> ledger_of(Pool& pool, const std::string& source) {
  return std::make_unique<MysqlLedger>(pool, fmt::format("source {}", source));
}

}  // namespace forebay::source::mysql
