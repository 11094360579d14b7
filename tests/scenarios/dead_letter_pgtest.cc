// One write in ten thousand that the database refuses, from the client that pipelines it to the person who
// mends it.

#include <algorithm>
#include <string>

#include "scenarios/behind_service.h"

namespace forebay::test {
namespace {

using testing::HasSubstr;

constexpr int kWrites = 10'000;
constexpr int kBatch = 500;
constexpr int kPoison = 6'173;

class OneInTenThousand : public BehindService {
 protected:
  OneInTenThousand() {
    database_->run(
        "CREATE TABLE things(id integer PRIMARY KEY, name text NOT NULL, price integer CHECK (price >= 0))");
    // Batches go when they are full, and at the end: how many there are doesn't depend on the time.
    configure(
        "[namespace.thing]\nkey = \"thing:{id}\"\nsource = \"db\"\ntable = \"things\"\nwrite = \"behind\"\n"
        "flush = { every = \"1h\", batch = " +
        std::to_string(kBatch) + " }\n");
    start();
    count_transactions();
    if (postgres()) count_statements();
  }

  static std::string key(int id) { return "thing:" + std::to_string(id); }
  static std::string row(int id, int price) {
    return R"({"name":"n)" + std::to_string(id) + R"(","price":)" + std::to_string(price) + "}";
  }

  // Statements of transactions that were taken back count as well, as a sequence does not go back.
  void count_statements() {
    database_->run(
        "CREATE SEQUENCE statements;"
        "CREATE FUNCTION stated() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN PERFORM nextval('statements'); RETURN NULL; END$$;"
        "CREATE TRIGGER stated BEFORE INSERT ON things EXECUTE FUNCTION stated()");
  }
  int number(const std::string& sql) { return std::stoi(database_->ask(sql)); }
};

TEST_P(OneInTenThousand, IsADeadLetterWithItsReasonAndTheOthersArrive) {
  std::string requests;
  for (int id = 1; id <= kWrites; ++id) {
    requests += TestClient::encode({"SET", key(id), row(id, id == kPoison ? -1 : id)});
  }
  ASSERT_TRUE(client_->send(requests));
  for (int id = 1; id <= kWrites; ++id) ASSERT_EQ(client_->reply(), "+OK");
  EXPECT_EQ(forebay_.run({"drain"}).text, "the databases have all writes\n");

  EXPECT_EQ(number("SELECT count(*) AS n FROM things"), kWrites - 1);
  EXPECT_EQ(number("SELECT count(*) AS n FROM things WHERE price = id AND name = 'n' || id"), kWrites - 1);
  EXPECT_EQ(number("SELECT count(*) AS n FROM things WHERE id = " + std::to_string(kPoison)), 0);

  // A full batch each, what is left of each of the four lanes, and nothing for every single row.
  EXPECT_LE(transactions(), kWrites / kBatch + 8);
  if (postgres()) {
    // The refused batch alone was sent more than once: up to the refusal, row by row, and without it.
    EXPECT_LE(number("SELECT last_value AS n FROM statements"), kWrites + 3 * kBatch);
  }

  const std::string listed = forebay_.run({"deadletters", "list"}).text;
  const std::string reason =
      postgres() ? "violates check constraint \"things_price_check\"" : "CHECK constraint failed: price >= 0";
  EXPECT_THAT(listed, HasSubstr(key(kPoison) + "\n"));
  EXPECT_THAT(listed, HasSubstr(reason));
  EXPECT_EQ(std::ranges::count(listed, '\n'), 2) << listed;
  EXPECT_EQ(forebay_.metric("forebay_dead_letters{source=\"db\",namespace=\"thing\"}"), 1);
  EXPECT_EQ(forebay_.metric("forebay_journal_refused_total{source=\"db\",namespace=\"thing\"}"), 1);
  EXPECT_EQ(ask("GET", key(kPoison)), "(nil)") << "readers see what the database has";

  const std::string id = listed.substr(0, listed.find(' '));
  const std::string shown = forebay_.run({"deadletters", "show", id}).text;
  EXPECT_THAT(shown, HasSubstr(reason));
  EXPECT_THAT(shown, HasSubstr("operation  {\"row\":" + row(kPoison, -1) + "}\n"));

  // A retry of what is still wrong changes nothing.
  EXPECT_EQ(forebay_.run({"deadletters", "retry", id}).status, 0);
  EXPECT_EQ(forebay_.run({"drain"}).status, 0);
  EXPECT_THAT(forebay_.run({"deadletters", "list"}).text, HasSubstr(id));

  EXPECT_EQ(forebay_.run({"deadletters", "edit", id, "{\"row\":" + row(kPoison, 5) + "}"}).status, 0);
  EXPECT_EQ(forebay_.run({"deadletters", "retry", id}).status, 0);
  EXPECT_EQ(forebay_.run({"drain"}).status, 0);
  EXPECT_EQ(forebay_.run({"deadletters", "list"}).text, "no dead letters\n");
  EXPECT_EQ(database_->ask("SELECT name, price FROM things WHERE id = " + std::to_string(kPoison)),
            "n" + std::to_string(kPoison) + "|5");
  EXPECT_EQ(number("SELECT count(*) AS n FROM things"), kWrites);
  EXPECT_EQ(number("SELECT count(*) AS n FROM forebay_dead"), 0);
  EXPECT_EQ(forebay_.metric("forebay_dead_letters{source=\"db\",namespace=\"thing\"}"), 0);
  EXPECT_EQ(ask("HGET", key(kPoison), "price"), "5");
}

INSTANTIATE_TEST_SUITE_P(On, OneInTenThousand, both_databases(), database_name);

}  // namespace
}  // namespace forebay::test
