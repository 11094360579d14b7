// Cascades of foreign keys: the log has nothing of what they change.

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "feed/mysql/followed_layer.h"

namespace forebay::feed {
namespace {

using test::eventually;

constexpr std::string_view kSpaces = R"toml(
[namespace.child]
key = "child:{id}"
source = "db"
table = "children"
[namespace.grandchild]
key = "grandchild:{id}"
source = "db"
table = "grandchildren"
[namespace.label]
key = "label:{id}"
source = "db"
table = "labels"
)toml";

class Cascades : public test::FollowedLayer {
 protected:
  Cascades() {
    for (const char* statement :
         {"DROP TABLE IF EXISTS grandchildren, children, labels, parents",
          "CREATE TABLE parents (id int PRIMARY KEY, code int UNIQUE, name varchar(20))",
          "CREATE TABLE children (id int PRIMARY KEY, code int, FOREIGN KEY (code) REFERENCES parents (code) "
          "ON DELETE SET NULL ON UPDATE CASCADE)",
          "CREATE TABLE labels (id int PRIMARY KEY, parent int, FOREIGN KEY (parent) REFERENCES parents (id) "
          "ON "
          "DELETE CASCADE)",
          "CREATE TABLE grandchildren (id int PRIMARY KEY, label int, FOREIGN KEY (label) REFERENCES labels "
          "(id) ON DELETE CASCADE)",
          "INSERT INTO parents VALUES (1, 10, 'a'), (2, 20, 'b')",
          "INSERT INTO children VALUES (1, 10), (2, 20)", "INSERT INTO labels VALUES (1, 1), (2, 2)",
          "INSERT INTO grandchildren VALUES (1, 1), (2, 2)"})
      sql(statement);
    open(kSpaces);
    for (const char* key : {"child:1", "label:1", "grandchild:1"}) EXPECT_TRUE(becomes_cached(key)) << key;
  }
};

TEST_F(Cascades, ADeletedParentEndsChildrenAndTheirChildren) {
  sql("DELETE FROM parents WHERE id = 1");
  EXPECT_TRUE(eventually([&] { return get("child:1") == R"({"id":1,"code":null})"; }));
  EXPECT_TRUE(eventually([&] { return get("label:1") == "(none)"; }));
  EXPECT_TRUE(eventually([&] { return get("grandchild:1") == "(none)"; }));
  EXPECT_EQ(feed().gaps, 0u);
}

TEST_F(Cascades, AnUpdatedKeyEndsChildrenAndNothingElseDoes) {
  sql("UPDATE parents SET name = 'c' WHERE id = 1");
  ASSERT_TRUE(caught_up());
  for (const char* key : {"child:1", "label:1", "grandchild:1"})
    EXPECT_TRUE(cached(key)) << key << ": no key was changed";
  sql("UPDATE parents SET code = 11 WHERE id = 1");
  EXPECT_TRUE(eventually([&] { return get("child:1") == R"({"id":1,"code":11})"; }));
}

}  // namespace
}  // namespace forebay::feed
