#pragma once

// What the databases' ledgers share (forebay/source.h: write-behind).
//
// forebay_dead keeps keys and operations in text columns, since people read them. What such a column can't
// hold, a NUL or what is no UTF-8 (or not even ASCII, in a database of another encoding), is kept as \x and
// hexadecimal digits; so is what begins with \x itself, so that each comes back as it was.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/query.h"
#include "forebay/source.h"
#include "source/cause.h"

namespace forebay::source {

// The statements that make the ledger's tables where they are missing; in `schema`, if one is given.
std::vector<std::string> ledger_schema(config::Dialect dialect, std::string_view schema = {});

// kConfig: the tables are missing or can't be used, and the database refused to make them; with the SQL, for
// somebody who may.
Error no_ledger(const Error& refused, std::span<const std::string> sql);

enum class Charset : std::uint8_t { kUtf8, kAscii };  // what a text column is sure to take
// Bytes for one of the text columns, and back.
std::string stored(std::string_view bytes, Charset charset);
std::string restored(std::string_view text);
// A message for a text column: what it can't hold becomes '?'.
std::string readable(std::string_view message, Charset charset);

// Under which name a batch puts a dead letter aside: its own journal, and its own lane where it has only one.
DeadId dead_id_in(const WriteBatch& batch, const DeadLetter& letter);
// The batch's lanes, in ascending order: the one in which every transaction locks them.
std::vector<LaneRange> lanes_of(const WriteBatch& batch);
// Whether a batch is to be applied to a ledger that has its lanes (lanes_of()) at these positions (nothing:
// it does not know the lane); false: it has been. kConflict: the ledger says neither what it should before
// the batch nor after it. `where`: for the message.
Result<bool> is_due(const WriteBatch& batch, const std::vector<std::optional<std::uint64_t>>& positions,
                    std::string_view where);

// kConflict: the batch's process does not keep the journal (any more).
Error not_the_owner(std::string_view where, const WriteBatch& batch);

// A journal's row in forebay_owner.
struct OwnerRow {
  std::uint64_t epoch = 0;
  std::string home, process, place;
  std::uint64_t renewals = 0;
  bool lives = false;  // its lease
};
// What a claim comes to where the ledger has this row (nothing: none).
LedgerClaim claim_against(const LedgerOwner& owner, const std::optional<OwnerRow>& row);

// The statements on dead letters. A letter is named by parameters 1 to 3: journal, lane, seq.
struct DeadLetterSql {
  explicit DeadLetterSql(config::Dialect dialect);
  std::string columns;     // reads no letter, but needs all that letter_of() reads
  std::string one;         // reads a letter
  std::string first_page;  // reads letters in their order; parameter 1: how many
  std::string next_page;   // the same after the named one; parameter 4: how many
  std::string put_aside;   // parameters 4 to 7: DeadText
  std::string edit;        // parameter 4: the operation
  std::string drop;
};
// A dead letter's texts, as its row keeps them.
struct DeadText {
  DeadText(const DeadLetter& letter, Charset charset);
  std::string space, key, operation, error;
};
// The letter in a row; `text`: the row's columns from `namespace` on, in the statements' order.
DeadLetter letter_of(DeadId id, const std::array<std::string_view, 5>& text);

// Of an error that the database had no part in: its own words say what it is about.
Cause cause_of(const Error& error);

// The error of a batch that failed, but for no reason in the data of one of its writes: never kRefused.
// kConfig: something is missing.
Error unapplied(Error error, Cause cause);

}  // namespace forebay::source
