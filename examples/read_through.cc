// Read-through: the program asks for a key and gets a value. What is missing is loaded by a function of its
// own, kept for `ttl`, and answered from memory from then on.

#include <atomic>
#include <string>
#include <vector>

#include "forebay/layer.h"
#include "show.h"

int main() {
  std::atomic<int> loads{0};
  forebay::Environment environment;
  // One call for all keys that are missing at the moment, one Loaded each, in the same order.
  environment.functions["primes"].load =
      [&](std::span<const forebay::KeyFields> keys,
          const forebay::CallContext&) -> forebay::Result<std::vector<forebay::Loaded>> {
    loads += static_cast<int>(keys.size());
    std::vector<forebay::Loaded> loaded;
    for (const forebay::KeyFields& fields : keys) {
      int remaining = std::stoi(fields[0]);
      int candidate = 1;
      while (remaining > 0) {
        ++candidate;
        bool prime = true;
        for (int d = 2; d * d <= candidate && prime; ++d) prime = candidate % d != 0;
        if (prime) --remaining;
      }
      loaded.push_back({.value = std::to_string(candidate)});
    }
    return loaded;
  };

  auto layer = show::value_of(forebay::Layer::open(R"(
[source.primes]
kind = "function"

[namespace.prime]
key    = "prime:{n}"
source = "primes"
type   = "text"
read   = "through"
ttl    = "5m"
)",
                                                   std::move(environment)));

  std::printf("The 5,000th prime, asked for twice:\n");
  const auto first = show::value_of(layer->get("prime:5000"));
  show::expect(show::text(first) == "48611" && first.result == forebay::ReadResult::kMiss,
               "the first answer was loaded");
  const auto second = show::value_of(layer->get("prime:5000"));
  show::expect(show::text(second) == "48611" && second.result == forebay::ReadResult::kHit,
               "the second came from memory");
  show::expect(loads == 1, "the function ran once");
}
