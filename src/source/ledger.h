#pragma once

// What the databases' ledgers share (forebay/source.h: write-behind).
//
// forebay_dead keeps keys and operations in text columns, since people read them. What such a column can't
// hold, a NUL or what is no UTF-8 (or not even ASCII, in a database of another encoding), is kept as \x and
// hexadecimal digits; so is what begins with \x itself, so that each comes back as it was.

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

// kConflict: the ledger says neither what it should before a batch nor after it.
Error wrong_position(std::string_view where, const WriteBatch& batch, std::uint64_t found);

// Of an error that the database had no part in: its own words say what it is about.
Cause cause_of(const Error& error);

// The error of a batch that failed, but for no reason in the data of one of its writes: never kRefused.
// kConfig: something is missing.
Error unapplied(Error error, Cause cause);

}  // namespace forebay::source
