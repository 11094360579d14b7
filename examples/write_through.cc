// Write-through: a write goes to the database and, once that has taken it, into the cache, before the caller
// hears of it. Readers see it at once, and a write that the database refuses changes nothing anywhere.

#include <string>

#include "database.h"
#include "forebay/layer.h"
#include "show.h"

int main() {
  Database database(R"(
    CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, stock INTEGER NOT NULL CHECK (stock >= 0));
    INSERT INTO products VALUES (1, 'lamp', 12);)");
  auto layer = show::value_of(forebay::Layer::open(R"(
[source.shop]
kind = "sqlite"
path = ")" + database.path() + R"("

[namespace.product]
key    = "product:{id}"
source = "shop"
table  = "products"
read   = "through"
write  = "through"
ttl    = "5m"
)"));

  std::printf("A row is JSON:\n");
  const auto before = show::value_of(layer->get("product:1"));
  show::expect(show::text(before) == R"({"id":1,"name":"lamp","stock":12})", show::text(before));

  std::printf("One column changes:\n");
  show::value_of(layer->set_fields("product:1", {{"stock", "11"}}));
  show::expect(database.run("SELECT stock FROM products WHERE id = 1") == "11", "the database has it");
  const auto after = show::value_of(layer->get("product:1"));
  show::expect(after.result == forebay::ReadResult::kHit &&
                   show::text(after) == R"({"id":1,"name":"lamp","stock":11})",
               "and the cache, without another query");

  std::printf("The database refuses a write:\n");
  const auto refused = layer->set_fields("product:1", {{"stock", "-1"}});
  show::expect(!refused && refused.error().code == forebay::ErrorCode::kRefused,
               refused ? "it was taken" : refused.error().message);
  show::expect(show::text(show::value_of(layer->get("product:1"))) == show::text(after),
               "readers see what they saw before");

  std::printf("A new row, whole; then the row is deleted:\n");
  show::value_of(layer->set("product:2", R"({"name":"chair","stock":3})"));
  show::expect(database.run("SELECT name FROM products WHERE id = 2") == "chair", "inserted");
  show::value_of(layer->remove("product:2"));
  show::expect(database.run("SELECT count(*) FROM products") == "1", "removed");
  show::expect(!show::value_of(layer->get("product:2")).value, "and gone for readers");
}
