#pragma once

// A write to one row on its way, statement by statement, so that several can be on their way at once.

#include <cstdint>
#include <string>
#include <vector>

#include "source/postgres/table.h"
#include "source/postgres/table_rows.h"
#include "source/postgres/write_plan.h"

namespace forebay::source::postgres {

// Looks at the row (where watched columns are wanted), changes it, and inserts it if there is none.
//
// A statement that reports no row is no proof that there is none: a trigger may have passed the row over,
// row-level security may hide it, or another writer has created it since. Where it can't be inserted either, or
// is not to be, it is locked, and changed once more: if that reports nothing, it was a trigger, and the write is
// done, with the row as it is. If it can't be locked after some tries, it is inserted without ON CONFLICT: the
// server says so if it exists.
class TableWrite final : public WriteSteps {
 public:
  // `rows` is borrowed.
  TableWrite(const TableRows& rows, KeyFields key, Change change);

  const Statement* next() const override { return step_ == Step::kDone ? nullptr : &statement_; }
  Written& written() override { return written_; }

  Outcome<void> take(ResultPtr rows) override;

  int changes() const override { return changed_ ? 1 : 0; }
  const Facts& facts() const override { return facts_; }
  Statement read_again() const override { return {rows_.sql().read_again(), only_key()}; }
  bool take_again(const ResultPtr& rows) override;

 private:
  enum class Step : std::uint8_t {
    kLook,
    kChange,
    kInsert,
    // After a change that reported nothing:
    kLock,
    kChangeLocked,
    kInsertOrFail,
    kSeek,  // where nothing is to be inserted and the row can't be locked: whether it is there nevertheless
    kReadAgain,
    kDone,
  };

  void start();
  void change_row();
  void insert_or_end();
  Outcome<void> changed(ResultPtr row);
  void show(const ResultPtr& row);
  void lock();
  // Looks at the row, or that there is none, for a write with a condition. False: it does not hold, and the write
  // goes on to its end.
  bool judge(const ResultPtr& row);
  std::vector<std::string> looked_at() const;
  void read(Step step);
  void run(Step step, std::string sql, std::vector<OptionalText> parameters);
  std::vector<OptionalText> only_key() const;

  const TableRows& rows_;
  const KeyFields key_;
  const Change change_;
  Step step_ = Step::kDone;
  Statement statement_;
  Written written_;
  bool changed_ = false;
  Facts facts_;
  int races_ = 0;
};

}  // namespace forebay::source::postgres
