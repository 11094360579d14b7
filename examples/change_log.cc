// A change log: with `changes = true` Forebay keeps a small table in the SQLite database, filled by triggers,
// and so learns what other programs write to the same file, directly and in whatever way they like. Cached
// rows, and queries that depend on the changed rows, are dropped within a few tens of milliseconds.

#include <string>

#include "database.h"
#include "forebay/layer.h"
#include "show.h"

int main() {
  Database database(R"(
    CREATE TABLE tasks (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, title TEXT NOT NULL);
    INSERT INTO tasks VALUES (1, 'ada', 'write'), (2, 'ada', 'test'), (3, 'grace', 'compile');)");
  auto layer = show::value_of(forebay::Layer::open(R"(
[source.board]
kind    = "sqlite"
path    = ")" + database.path() + R"("
changes = true

[namespace.task]
key    = "task:{id}"
source = "board"
table  = "tasks"
read   = "through"
ttl    = "1h"

[namespace.tasks_of]
key    = "tasks_of:{owner}"
source = "board"
query  = "SELECT count(*) AS tasks FROM tasks WHERE owner = {owner}"
depends_on = ['tasks(owner -> owner)']
read   = "through"
ttl    = "1h"
)"));
  const auto read = [&](const char* key) { return show::text(show::value_of(layer->get(key))); };

  std::printf("Cached:\n");
  show::expect(read("task:3") == R"({"id":3,"owner":"grace","title":"compile"})", read("task:3"));
  const std::string ada = read("tasks_of:ada");
  const std::string grace = read("tasks_of:grace");
  show::expect(ada.find('2') != std::string::npos && grace.find('1') != std::string::npos,
               "Ada: " + ada + ", Grace: " + grace);

  std::printf("Another program gives Grace's task to Ada:\n");
  database.run("UPDATE tasks SET owner = 'ada' WHERE id = 3");
  show::expect(show::eventually([&] { return read("task:3").find("ada") != std::string::npos; }),
               "the row is new");
  show::expect(show::eventually([&] { return read("tasks_of:ada").find('3') != std::string::npos; }),
               "the query of the new owner is new: " + read("tasks_of:ada"));
  show::expect(show::eventually([&] { return read("tasks_of:grace").find('0') != std::string::npos; }),
               "and that of the old one: " + read("tasks_of:grace"));
}
