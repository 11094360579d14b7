// Stale-if-error: while the source is down, what is known goes on being served, marked as stale, within a
// window. The source is asked again now and then (`stale_throttle`), not on every read.

#include <atomic>
#include <string>

#include "forebay/layer.h"
#include "show.h"

int main() {
  std::atomic<bool> down{false};
  std::atomic<int> calls{0};
  forebay::Environment environment;
  environment.functions["rates"].load =
      [&](std::span<const forebay::KeyFields> keys,
          const forebay::CallContext&) -> forebay::Result<std::vector<forebay::Loaded>> {
    const int call = ++calls;
    if (down) return forebay::Error{forebay::ErrorCode::kUnavailable, "the rates service is down"};
    return std::vector<forebay::Loaded>(keys.size(), {.value = "rate " + std::to_string(call)});
  };
  auto layer = show::value_of(forebay::Layer::open(R"(
[source.rates]
kind = "function"

[namespace.rate]
key    = "rate:{currency}"
source = "rates"
type   = "text"
read   = "through"
ttl    = "20ms"
stale_if_error = "1h"
stale_throttle = "20ms"
)",
                                                   std::move(environment)));

  show::expect(show::text(show::value_of(layer->get("rate:EUR"))) == "rate 1",
               "loaded while the service is up");

  std::printf("The service goes down:\n");
  down = true;
  int reads = 0;
  const bool served_stale = show::eventually([&] {
    ++reads;
    const auto answer = show::value_of(layer->get("rate:EUR"));
    return answer.result == forebay::ReadResult::kStale && show::text(answer) == "rate 1" && calls > 3;
  });
  show::expect(served_stale, "readers get the last known rate, marked stale");
  show::expect(reads > calls, "and most of them did not ask the service");
  const auto unknown = layer->get("rate:CHF");
  show::expect(
      !unknown && unknown.error().code == forebay::ErrorCode::kUnavailable,
      unknown ? "a rate out of nowhere" : "a rate never seen is an error: " + unknown.error().message);

  std::printf("The service comes back:\n");
  down = false;
  show::expect(
      show::eventually([&] { return show::text(show::value_of(layer->get("rate:EUR"))) != "rate 1"; }),
      "readers see a new rate");
}
