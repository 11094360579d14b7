// Refresh-ahead: an entry that is being read past a share of its ttl is loaded again in the background,
// before it expires. Readers of a busy key never meet an expired one; keys that nobody reads cost nothing.

#include <atomic>
#include <string>

#include "forebay/layer.h"
#include "show.h"

int main() {
  std::atomic<int> busy_loads{0};
  std::atomic<int> idle_loads{0};
  forebay::Environment environment;
  environment.functions["pages"].load =
      [&](std::span<const forebay::KeyFields> keys,
          const forebay::CallContext&) -> forebay::Result<std::vector<forebay::Loaded>> {
    std::vector<forebay::Loaded> loaded;
    for (const auto& fields : keys) {
      const int version = fields[0] == "busy" ? ++busy_loads : ++idle_loads;
      loaded.push_back({.value = "version " + std::to_string(version)});
    }
    return loaded;
  };
  // Due after a hundred-thousandth of an hour, 36 ms; fresh for the whole hour.
  auto layer = show::value_of(forebay::Layer::open(R"(
[source.pages]
kind = "function"

[namespace.page]
key    = "page:{name}"
source = "pages"
type   = "text"
read   = "through"
ttl    = "1h"
refresh_ahead = 0.00001
)",
                                                   std::move(environment)));

  show::value_of(layer->get("page:idle"));
  show::value_of(layer->get("page:busy"));
  std::printf("Reading one of two pages all the time:\n");
  bool only_hits = true;
  const bool renewed = show::eventually([&] {
    const auto answer = show::value_of(layer->get("page:busy"));
    only_hits = only_hits && answer.result == forebay::ReadResult::kHit;
    return busy_loads >= 3 && show::text(answer) != "version 1";
  });
  show::expect(renewed, "it was renewed, more than once");
  show::expect(only_hits, "and every read of it was a hit");
  show::expect(idle_loads == 1, "the page that nobody reads was loaded once");
}
