// Write-around: a write goes to the database only, and the cached copy is dropped. For data that is written
// often and read seldom: nothing is kept that nobody asked for.

#include <string>

#include "database.h"
#include "forebay/layer.h"
#include "show.h"

int main() {
  Database database(R"(
    CREATE TABLE readings (sensor TEXT PRIMARY KEY, celsius REAL);
    INSERT INTO readings VALUES ('roof', 3.5);)");
  auto layer = show::value_of(forebay::Layer::open(R"(
[source.station]
kind = "sqlite"
path = ")" + database.path() + R"("

[namespace.reading]
key    = "reading:{sensor}"
source = "station"
table  = "readings"
type   = "text"
value  = "celsius"
read   = "through"
write  = "around"
ttl    = "1h"
)"));
  const auto queries = [&] { return layer->stats().sources.at(0).load_keys; };

  show::expect(show::text(show::value_of(layer->get("reading:roof"))) == "3.5",
               "the first reading is loaded and kept");
  std::printf("A hundred new readings:\n");
  for (int i = 1; i <= 100; ++i) show::value_of(layer->set("reading:roof", std::to_string(i) + ".5"));
  show::expect(database.run("SELECT celsius FROM readings") == "100.5", "the database has the last");
  show::expect(layer->size() == 0, "the cache has none");
  show::expect(show::text(show::value_of(layer->get("reading:roof"))) == "100.5", "a reader gets the last");
  show::expect(queries() == 2, "by the second load in all");
}
