// Negative caching: that a row does not exist is an answer too, and is remembered for `negative_ttl`. A
// client that asks for what isn't there, again and again, does not reach the database; a row that appears is
// seen at once.

#include <string>

#include "database.h"
#include "forebay/layer.h"
#include "show.h"

int main() {
  Database database("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);");
  auto layer = show::value_of(forebay::Layer::open(R"(
[source.people]
kind = "sqlite"
path = ")" + database.path() + R"("

[namespace.user]
key    = "user:{id}"
source = "people"
table  = "users"
read   = "through"
write  = "through"
ttl    = "5m"
negative_ttl = "30s"
)"));
  const auto queries = [&] { return layer->stats().sources.at(0).load_keys; };

  std::printf("A thousand requests for a user who does not exist:\n");
  for (int i = 0; i < 1000; ++i) {
    if (show::value_of(layer->get("user:404")).value) return 1;
  }
  const auto answer = show::value_of(layer->get("user:404"));
  show::expect(answer.result == forebay::ReadResult::kNegative, "absence is a remembered answer");
  show::expect(queries() == 1, "the database was asked once");

  std::printf("The user is created:\n");
  show::value_of(layer->set("user:404", R"({"name":"Grace"})"));
  show::expect(show::text(show::value_of(layer->get("user:404"))) == R"({"id":404,"name":"Grace"})",
               "and seen at once");
}
