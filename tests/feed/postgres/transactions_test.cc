#include "feed/postgres/transactions.h"

#include <gtest/gtest.h>

#include <string>

#include "feed/postgres/messages.h"

namespace forebay::feed::postgres {
namespace {

using namespace test;

class Log : public testing::Test {
 protected:
  // Tables 1 (columns id and team, of which id is the identity) and 2, which nobody looks for.
  Log()
      : transactions_([](const pgoutput::Relation& told) -> Result<Transactions::Relation> {
          Transactions::Relation relation;
          if (told.id != 1) return relation;
          relation.root = "#1";
          for (const pgoutput::Column& column : told.columns)
            relation.columns.push_back({std::string(column.name), source::postgres::built_in_type(25),
                                        column.name != "note", column.name == "id"});
          return relation;
        }) {}

  void take(const std::string& message) {
    const auto widen = [](std::uint32_t xid) { return std::uint64_t{xid} + 1000; };
    const auto taken = transactions_.take(message, widen, delivery_);
    EXPECT_TRUE(taken) << taken.error().message;
  }
  // What was delivered since, a change a word: "transaction:before>after".
  std::string delivered() {
    std::string text;
    const auto image = [](const Fields& fields) {
      std::string line;
      for (const auto& [name, value] : fields)
        line += (line.empty() ? "" : ",") + name + "=" + value.value_or("NULL");
      return line;
    };
    for (const Change& change : std::exchange(delivery_, {}).changes) {
      text += std::to_string(change.transaction) + ":";
      text += change.row.whole_table
                  ? "all "
                  : image(change.row.images.before) + ">" + image(change.row.images.after) + " ";
    }
    return text;
  }

  Transactions transactions_;
  Delivery delivery_;
};

TEST_F(Log, RowsBearTheirTransactionAndWhatIsKnownOfThem) {
  take(begin(5));
  take(relation(1, {"id", "team", "note"}));
  take(insert(1, {"7", "red", "x"}));
  take(update(1, {"7", "blue", "~"}));
  take(update(1, 'K', {"7", std::nullopt, std::nullopt}, {"8", "blue", "x"}));
  take(remove(1, 'K', {"8", std::nullopt, std::nullopt}));
  take(commit(200));
  EXPECT_EQ(delivery_.position, 200u);
  EXPECT_EQ(delivered(), "1005:>id=7,team=red 1005:id=7>id=7,team=blue 1005:id=7>id=8,team=blue 1005:id=8> ");
}

TEST_F(Log, AWholeIdentityTellsTheWholeOldRow) {
  take(begin(5));
  take(relation(1, {"id", "team", "note"}));
  take(update(1, 'O', {"7", "red", "x"}, {"7", "blue", "x"}));
  take(remove(1, 'O', {"7", std::nullopt, "x"}));
  EXPECT_EQ(delivered(), "1005:id=7,team=red>id=7,team=blue 1005:id=7,team=NULL> ");
}

TEST_F(Log, ALongValueThatStayedIsTheOldRowsOrUnknown) {
  take(begin(5));
  take(relation(1, {"id", "team", "note"}));
  take(update(1, 'O', {"7", "red", "x"}, {"7", "~", "x"}));
  EXPECT_EQ(delivered(), "1005:id=7,team=red>id=7,team=red ");
  take(update(1, {"7", "~", "x"}));
  EXPECT_EQ(delivered(), "1005:id=7>id=7 ") << "there is no team in either image";
}

TEST_F(Log, TablesThatNobodyLooksForAreLeftOut) {
  take(begin(5));
  take(relation(2, {"id"}));
  take(insert(2, {"7"}));
  take(truncate({2}));
  EXPECT_EQ(delivered(), "");
}

TEST_F(Log, ATruncateIsAChangeOfTheWholeTable) {
  take(begin(5));
  take(relation(1, {"id", "team"}));
  take(truncate({1}));
  EXPECT_EQ(delivered(), "1005:all ");
}

TEST_F(Log, PartsOfATransactionWaitForItsCommit) {
  take(Bytes('S').number(5, 4).number(1, 1));
  take(relation(1, {"id", "team"}, 5));
  take(insert(1, {"1", "red"}, 5));
  take(insert(1, {"2", "red"}, 6));  // in a subtransaction
  take(Bytes('E'));
  EXPECT_EQ(delivered(), "");
  take(begin(9));
  take(insert(1, {"3", "red"}));
  take(commit(200));
  EXPECT_EQ(delivered(), "1009:>id=3,team=red ");
  take(Bytes('A').number(5, 4).number(6, 4));
  take(Bytes('c').number(5, 4).number(0, 1).number(299, 8).number(300, 8).number(0, 8));
  EXPECT_EQ(delivery_.position, 300u);
  EXPECT_EQ(delivered(), "1005:>id=1,team=red ") << "the subtransaction was rolled back";
}

TEST_F(Log, WhatWasRolledBackIsNotDelivered) {
  take(Bytes('S').number(5, 4).number(1, 1));
  take(relation(1, {"id", "team"}, 5));
  take(insert(1, {"1", "red"}, 5));
  take(Bytes('E'));
  take(Bytes('A').number(5, 4).number(5, 4));
  EXPECT_EQ(delivered(), "");
}

TEST_F(Log, OwnNotesComeBack) {
  take(begin(5));
  take(note("somebody", "else"));
  EXPECT_FALSE(transactions_.take_note());
  take(note("forebay", "hello"));
  EXPECT_EQ(transactions_.take_note(), "hello");
  EXPECT_FALSE(transactions_.take_note());
}

TEST_F(Log, AMessageThatIsNotWholeIsAnError) {
  const std::vector<std::string> good = {begin(5),
                                         commit(9),
                                         relation(1, {"id"}),
                                         insert(1, {"7"}),
                                         update(1, 'K', {"7"}, {"8"}),
                                         remove(1, 'K', {"8"}),
                                         truncate({1, 2}),
                                         note("a", "b")};
  for (const std::string& message : good) {
    EXPECT_TRUE(pgoutput::parse(message, false)) << message[0];
    EXPECT_FALSE(pgoutput::parse(message + "x", false)) << message[0];
    for (std::size_t bytes = 0; bytes < message.size(); ++bytes) {
      EXPECT_FALSE(pgoutput::parse(message.substr(0, bytes), false)) << message[0] << bytes;
    }
  }
  EXPECT_FALSE(pgoutput::parse("?", false));
}

TEST(Lsn, HasTheServersText) {
  EXPECT_EQ(text_of(0x16B374D848), "16/B374D848");
  EXPECT_EQ(parse_lsn("16/B374D848"), 0x16B374D848u);
  for (const char* text : {"", "1", "1/", "/1", "1/x", "1/2 "}) EXPECT_FALSE(parse_lsn(text)) << text;
}

}  // namespace
}  // namespace forebay::feed::postgres
