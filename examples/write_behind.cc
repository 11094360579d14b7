// Write-behind: a write is answered once Forebay's own journal has it on the disk; the database gets it
// later, many at once and each exactly once. Readers see it at once, also after a crash, and what the
// database refuses later is put aside with its reason, to be mended.

#include <filesystem>
#include <future>
#include <string>

#include "database.h"
#include "forebay/layer.h"
#include "show.h"

int main() {
  Database database(R"(
    CREATE TABLE visits (page TEXT PRIMARY KEY, views INTEGER NOT NULL CHECK (views < 1000000));
    INSERT INTO visits VALUES ('home', 40);)");
  const std::string configuration = R"(
[journal]
path = ")" + (std::filesystem::path(database.path()).parent_path() / "journal").string() +
                                    R"("

[source.shop]
kind = "sqlite"
path = ")" + database.path() + R"("

[namespace.visits]
key    = "visits:{page}"
source = "shop"
table  = "visits"
type   = "counter"
value  = "views"
write  = "behind"
flush  = { every = "1h" }      # or as soon as somebody waits for it
)";
  auto layer = show::value_of(forebay::Layer::open(configuration));

  std::printf("A hundred increments:\n");
  for (int i = 0; i < 100; ++i) show::value_of(layer->add("visits:home", 1));
  show::expect(show::text(show::value_of(layer->get("visits:home"))) == "140", "every reader sees 140");
  show::expect(database.run("SELECT views FROM visits") == "40", "the database still says 40");

  std::printf("The process ends, and another one goes on with the journal:\n");
  layer.reset();
  layer = show::value_of(forebay::Layer::open(configuration));
  show::expect(show::text(show::value_of(layer->get("visits:home"))) == "140", "readers see 140");

  std::printf("Somebody else writes to the row meanwhile; then what is pending is sent:\n");
  database.run("UPDATE visits SET views = views + 100");
  show::expect(layer->drain(std::chrono::seconds(10)), "the database has all");
  show::expect(database.run("SELECT views FROM visits") == "240", "and says 240: additions are added");
  show::expect(layer->stats().flushes.at(0).batches == 1, "that took one transaction");

  std::printf("What the database refuses waits for a person:\n");
  show::value_of(layer->add("visits:home", 5'000'000));
  show::expect(layer->drain(std::chrono::seconds(10)), "nothing else waits for it");
  std::promise<forebay::Result<std::vector<forebay::PutAside>>> listed;
  layer->dead_letters("", "", 10, [&](auto letters) { listed.set_value(std::move(letters)); });
  const auto letters = show::value_of(listed.get_future().get());
  show::expect(letters.size() == 1, letters.empty() ? "no letter" : letters[0].letter.error);
  show::expect(show::text(show::value_of(layer->get("visits:home"))) == "240", "readers see 240");

  const auto done = [](auto call) {
    std::promise<forebay::Result<bool>> promise;
    call([&](forebay::Result<bool> result) { promise.set_value(std::move(result)); });
    return show::value_of(promise.get_future().get());
  };
  const std::string& id = letters[0].id;
  show::expect(done([&](auto then) { layer->edit_dead_letter(id, R"({"add":{"views":"5"}})", then); }),
               "somebody changes it");
  show::expect(done([&](auto then) { layer->retry_dead_letter(id, then); }), "and has it written again");
  show::expect(layer->drain(std::chrono::seconds(10)) && database.run("SELECT views FROM visits") == "245",
               "the database says 245");
}
