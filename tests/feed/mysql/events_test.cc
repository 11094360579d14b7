// Events of a binary log, whole and broken.

#include "feed/mysql/events.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <string_view>

#include "feed/mysql/messages.h"
#include "feed/mysql/statements.h"
#include "feed/mysql/transactions.h"

namespace forebay::feed::mysql {
namespace {

using test::Log;

// Every prefix of an event is refused or understood: none is read beyond its end.
TEST(Events, NoPrefixOfAnEventIsReadBeyondItsEnd) {
  Followed followed = test::followed_table();
  const std::string map = Log::table_map();
  const std::string rows = Log::update(1, "old", 2, "new");
  for (std::size_t length = 0; length < rows.size(); ++length) {
    Transactions transactions(followed, [](const std::string&) { return std::uint64_t{1}; });
    Delivery delivery;
    const auto known = parse_event(map);
    ASSERT_TRUE(known) << known.error().message;
    ASSERT_TRUE(transactions.take(*known, delivery));
    // In memory of its own, with a length that says what there is.
    const std::string part = Log::cut(rows, length);
    const auto event = parse_event(part);
    const bool taken = event && transactions.take(*event, delivery);
    EXPECT_FALSE(taken && length > 40 && length + 1 < rows.size()) << length;
  }
  for (std::size_t length = 0; length < map.size(); ++length) {
    if (const auto event = parse_event(Log::cut(map, length))) {
      EXPECT_FALSE(std::holds_alternative<TableMap>(event->what) && length + 8 < map.size()) << length;
    }
  }
}

TEST(Events, AChangedByteIsSeenByTheChecksum) {
  Checksums checksums;
  ASSERT_TRUE(checksums.without(Log::format(1)));
  std::string event = Log::statement("s", "BEGIN");
  const auto sum = crc32(0, reinterpret_cast<const Bytef*>(event.data()), static_cast<uInt>(event.size()));
  const std::string whole = event + Log::number(sum, 4);
  EXPECT_EQ(*checksums.without(whole), event);
  std::string changed = whole;
  changed[25] ^= 1;
  EXPECT_FALSE(checksums.without(changed));
}

TEST(Events, AnUpdateBecomesTheOldRowAndTheNewOne) {
  Followed followed = test::followed_table();
  Transactions transactions(followed, [](const std::string&) { return std::uint64_t{7}; });
  Delivery delivery;
  const std::string log[] = {Log::statement("s", "BEGIN"), Log::table_map(), Log::update(1, "old", 2, "new")};
  for (const std::string& event : log) ASSERT_TRUE(transactions.take(*parse_event(event), delivery));
  EXPECT_TRUE(transactions.within());
  EXPECT_TRUE(delivery.changes.empty()) << "it may still be rolled back";
  ASSERT_TRUE(transactions.take(*parse_event(Log::committed()), delivery));
  EXPECT_FALSE(transactions.within());
  ASSERT_EQ(delivery.changes.size(), 1u);
  EXPECT_EQ(delivery.changes[0].transaction, 7u);
  EXPECT_EQ(delivery.changes[0].row.images.before, (Fields{{"id", "1"}, {"name", "old"}}));
  EXPECT_EQ(delivery.changes[0].row.images.after, (Fields{{"id", "2"}, {"name", "new"}}));
}

// A server that dies leaves the beginning of a transaction in its log: it was not committed.
TEST(Events, ANewFileEndsWhatWasBegun) {
  Followed followed = test::followed_table();
  Transactions transactions(followed, [](const std::string&) { return std::uint64_t{7}; });
  Delivery delivery;
  const std::string log[] = {Log::statement("s", "BEGIN"), Log::table_map(), Log::update(1, "old", 2, "new"),
                             Log::format(2), Log::committed()};
  for (const std::string& event : log) ASSERT_TRUE(transactions.take(*parse_event(event), delivery));
  EXPECT_TRUE(delivery.changes.empty());
}

TEST(Statements, AreToldApart) {
  const std::pair<std::string_view, Meaning> all[] = {
      {"BEGIN", Meaning::kBegin},
      {"COMMIT", Meaning::kEnd},
      {"ROLLBACK", Meaning::kEnd},
      {"ROLLBACK TO `s`", Meaning::kNothing},
      {"SAVEPOINT `s`", Meaning::kNothing},
      {"XA START X'61',X'',1", Meaning::kXaStart},
      {"XA END X'61',X'',1", Meaning::kNothing},
      {"XA COMMIT X'61',X'',1", Meaning::kXaCommit},
      {"XA ROLLBACK X'61',X'',1", Meaning::kXaRollback},
      {"/* a note */ alter TABLE t ADD x int", Meaning::kDefinition},
      {"/*!40000 ALTER TABLE t */", Meaning::kDefinition},
      {"# note\n TRUNCATE t", Meaning::kDefinition},
      {"-- note\nDROP TABLE t", Meaning::kDefinition},
      {"GRANT ALL ON *.* TO x", Meaning::kNothing},
      {"SET PASSWORD FOR x = 'y'", Meaning::kNothing},
      {"SET STATEMENT max_statement_time = 1 FOR UPDATE t SET n = 1", Meaning::kChange},
      {"(INSERT INTO t VALUES (1))", Meaning::kChange},
      {"UPDATE t SET n = 1", Meaning::kChange},
      {"CALL p()", Meaning::kChange},
      {"", Meaning::kChange},
      {"/*", Meaning::kChange},
      {"--", Meaning::kChange},
  };
  for (const auto& [text, meaning] : all) EXPECT_EQ(meaning_of(text), meaning) << text;
  EXPECT_EQ(xa_name("XA COMMIT X'61',X'',1 ONE PHASE"), xa_name("XA START X'61',X'',1"));
  EXPECT_TRUE(may_name("ALTER TABLE `Items` ADD x int", "items"));
  EXPECT_FALSE(may_name("ALTER TABLE others ADD x int", "items"));
  EXPECT_TRUE(may_name("ALTER TABLE others ADD x int", "größe")) << "it may be written in many ways";
}

}  // namespace
}  // namespace forebay::feed::mysql
