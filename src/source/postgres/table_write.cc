#include "source/postgres/table_write.h"

#include <fmt/format.h>

#include <cstddef>
#include <utility>

#include "base/write_condition.h"
#include "source/postgres/keys.h"
#include "source/row_write.h"

namespace forebay::source::postgres {
namespace {

// How often a write starts over because its row is neither there nor can be inserted: other writers may keep
// creating and deleting it in between.
constexpr int kRacesMax = 8;

Error hidden_row() {
  return {ErrorCode::kRefused, "row-level security keeps the role from changing the row"};
}

Outcome<void> fail(Error error) {
  return std::unexpected(Failure{std::move(error), {}, false});
}

}  // namespace

TableWrite::TableWrite(const TableRows& rows, KeyFields key, Change change)
    : rows_(rows), key_(std::move(key)), change_(std::move(change)) {
  start();
}

Outcome<void> TableWrite::take(ResultPtr rows) {
  switch (step_) {
    case Step::kLook:
      if (!judge(rows)) return {};
      if (row_count(rows) == 0) {
        // A row that has come since then must not be changed before it was looked at.
        insert_or_end();
      } else {
        written_.images.before = rows_.before_image(rows);
        change_row();
      }
      return {};
    case Step::kChange:
      written_.existed = row_count(rows) > 0;
      if (written_.existed) return changed(std::move(rows));
      if (change_.create) {
        insert_or_end();
      } else {
        lock();
      }
      return {};
    case Step::kInsert:
      if (row_count(rows) > 0) return changed(std::move(rows));
      if (change_.insert) return fail(row_exists());
      lock();
      return {};
    case Step::kLock:
      if (row_count(rows) > 0) {
        if (!rows_.spec().watch_columns.empty()) written_.images.before = rows_.before_image(rows);
        if (!judge(rows)) return {};
        run(Step::kChangeLocked, change_.statement, change_.parameters);
      } else if (!change_.create) {
        if (rows_.row_security()) {
          read(Step::kSeek);
        } else {
          step_ = Step::kDone;  // there is no such row
        }
      } else if (++races_ < kRacesMax) {
        start();
      } else {
        run(Step::kInsertOrFail, rows_.sql().insert_or_fail(change_.columns), change_.parameters);
      }
      return {};
    case Step::kChangeLocked:
      written_.existed = true;
      if (row_count(rows) > 0) return changed(std::move(rows));
      read(Step::kReadAgain);  // a trigger has passed it over
      return {};
    case Step::kInsertOrFail:
      if (row_count(rows) > 0) return changed(std::move(rows));
      step_ = Step::kDone;  // a trigger has passed it over
      return {};
    case Step::kSeek:
      if (row_count(rows) > 0) return fail(hidden_row());
      step_ = Step::kDone;  // there is no such row
      return {};
    case Step::kReadAgain:
      step_ = Step::kDone;
      if (row_count(rows) == 0) return {};
      if (rows_.key_of(rows, 0) != key_) return fail(misspelled_key());
      show(rows);
      if (change_.added != nullptr) written_.added = rows_.added_text(rows, change_.added);
      return {};
    case Step::kDone:
      break;
  }
  return fail({ErrorCode::kInternal, "a row that nobody asked for"});
}

void TableWrite::start() {
  written_ = Written();
  changed_ = false;
  facts_ = {};
  if (const auto wanted = looked_at(); !wanted.empty() && !change_.remove) {
    run(Step::kLook, rows_.sql().read_for_write(wanted), only_key());
  } else {
    change_row();
  }
}

void TableWrite::change_row() {
  if (change_.insert) {
    insert_or_end();
  } else {
    run(Step::kChange, change_.statement, change_.parameters);
  }
}

void TableWrite::insert_or_end() {
  if (change_.create) {
    run(Step::kInsert, rows_.sql().insert_if_absent(change_.columns), change_.parameters);
  } else {
    step_ = Step::kDone;
  }
}

Outcome<void> TableWrite::changed(ResultPtr row) {
  if (!rows_.are_ours(row)) return fail(table_has_changed());
  if (rows_.key_of(row, 0) != key_) return fail(misspelled_key());
  if (change_.whole && rows_.spec().kind == ValueKind::kCounter &&
      !is_number(rows_.added_text(row, change_.added).value_or(""), false)) {
    return fail(
        {ErrorCode::kRefused, fmt::format("the column {} does not hold an integer", change_.added->name)});
  }
  step_ = Step::kDone;
  changed_ = true;
  facts_ = facts_in(row);
  if (change_.remove) {
    if (!rows_.spec().watch_columns.empty()) written_.images.before = rows_.watched(row, 0);
  } else {
    show(row);
    // Increments answer with what the addition came to, whatever triggers make of it afterwards.
    if (change_.added != nullptr) written_.added = rows_.added_text(row, change_.added);
  }
  return {};
}

bool TableWrite::take_again(const ResultPtr& rows) {
  const bool gone = row_count(rows) == 0;
  const bool moved = gone ? !change_.remove : facts_in(rows).place != facts_.place || change_.remove;
  if (gone) {
    written_.after = {};
    written_.images.after.clear();
  } else {
    show(rows);
  }
  return moved;
}

void TableWrite::show(const ResultPtr& row) {
  written_.after = rows_.loaded_row(row, 0);
  if (!rows_.spec().watch_columns.empty()) written_.images.after = rows_.watched(row, 0);
}

void TableWrite::lock() {
  run(Step::kLock, rows_.sql().read_for_write(looked_at()), only_key());
}

std::vector<std::string> TableWrite::looked_at() const {
  std::vector<std::string> columns = rows_.spec().watch_columns;
  if (change_.conditional) columns.push_back(change_.judged->name);
  return columns;
}

bool TableWrite::judge(const ResultPtr& row) {
  if (!change_.conditional) return true;
  const bool exists = row_count(row) > 0;
  written_.before = exists ? rows_.behind_image(row, *change_.judged) : std::nullopt;
  written_.held = holds(*condition_of(*change_.conditional), *change_.conditional, exists, written_.before);
  if (written_.held) return true;
  written_.existed = exists;
  if (exists) {
    read(Step::kReadAgain);
  } else {
    step_ = Step::kDone;
  }
  return false;
}

void TableWrite::read(Step step) {
  run(step, rows_.read(), KeyBatch::make(rows_.key_types(), std::span(&key_, 1))->arrays());
}

void TableWrite::run(Step step, std::string sql, std::vector<OptionalText> parameters) {
  step_ = step;
  statement_ = {std::move(sql), std::move(parameters)};
}

std::vector<OptionalText> TableWrite::only_key() const {
  return {change_.parameters.begin(),
          change_.parameters.begin() + static_cast<std::ptrdiff_t>(rows_.key_types().size())};
}

}  // namespace forebay::source::postgres
