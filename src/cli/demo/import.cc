#include "cli/demo/import.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <string_view>

#include "cli/demo/catalogue.h"
#include "cli/demo/child_output.h"
#include "cli/demo/database.h"
#include "cli/demo/sample_catalogue.h"

namespace forebay::cli::demo {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Imports what `produce` feeds to the reader it is given. Returns the finished importer.
template <class Produce>
Result<Importer> import(Console& console, const std::string& path, Produce produce) {
  auto importer = Importer::create(path);
  if (!importer) return importer;
  std::optional<Error> error;
  auto shown = SteadyClock::now();
  CatalogueReader reader([&](const Package& package) {
    if (error) return;
    if (auto added = importer->add(package); !added) error = std::move(added.error());
    if (importer->packages() % 256 != 0 || SteadyClock::now() - shown < std::chrono::milliseconds(100))
      return;
    shown = SteadyClock::now();
    console.progress(fmt::format("  importing: {} packages, {} dependencies",
                                 with_commas(static_cast<std::uint64_t>(importer->packages())),
                                 with_commas(static_cast<std::uint64_t>(importer->edges()))));
  });
  produce(reader);
  reader.finish();
  if (error) return *std::move(error);
  console.progress("  importing: building the index");
  if (auto finished = importer->finish(); !finished) return std::move(finished.error());
  return importer;
}

void say_imported(Console& console, std::string_view from, const Importer& importer,
                  SteadyClock::time_point begin) {
  console.line(fmt::format("  {}: {} packages, {} dependencies, imported in {}", from,
                           with_commas(static_cast<std::uint64_t>(importer.packages())),
                           with_commas(static_cast<std::uint64_t>(importer.edges())),
                           in_words(SteadyClock::now() - begin)));
}

// The experiments ask for these by name.
bool has_what_the_demo_asks_for(const std::string& path) {
  auto database = Database::open(path);
  if (!database) return false;
  auto statement =
      database->prepare("SELECT count(*) FROM packages WHERE name IN ('curl', 'libc6', 'openssl')");
  if (!statement) return false;
  const auto count = statement->run();
  return count && *count == "3";
}

}  // namespace

Result<void> import_catalogue(Console& console, const std::string& path, Catalogue wanted,
                              const std::function<bool()>& interrupted) {
  if (is_complete(path)) {
    console.line("  kept from an earlier run: " + path);
    return {};
  }
  auto begin = SteadyClock::now();
  if (wanted == Catalogue::kMachine) {
    Result<int> status = 0;
    auto importer = import(console, path, [&](CatalogueReader& reader) {
      status = run_child({"apt-cache", "dumpavail"}, [&](std::string_view text) { reader.feed(text); });
    });
    if (!importer) return std::move(importer.error());
    if (interrupted()) return {};
    if (status && has_what_the_demo_asks_for(path)) {
      say_imported(console, "apt-cache dumpavail", *importer, begin);
      return {};
    }
    console.paragraph(
        fmt::format("No usable package catalogue here ({}): using the small one that the program carries.",
                    !status ? status.error().message
                    : importer->packages() == 0
                        ? "apt-cache dumpavail lists nothing; apt-get update fetches it"
                        : "it lacks curl, libc6 or openssl"),
        2);
    begin = SteadyClock::now();
  }
  auto importer = import(console, path, [](CatalogueReader& reader) { reader.feed(kSampleCatalogue); });
  if (!importer) return std::move(importer.error());
  say_imported(console, "sample catalogue", *importer, begin);
  return {};
}

}  // namespace forebay::cli::demo
