// Uses what was installed and nothing else: a layer over a function, asked twice.

#include <forebay/layer.h>

#include <cstdio>

namespace {

constexpr const char* kConfiguration = R"(
[source.squares]
kind = "function"

[namespace.square]
key = "square:{n}"
source = "squares"
type = "text"
read = "through"
ttl = "1m"
)";

}  // namespace

int main() {
  int loads = 0;
  forebay::Environment environment;
  environment.functions["squares"].load = [&loads](std::span<const forebay::KeyFields> keys,
                                                   const forebay::CallContext&) {
    ++loads;
    std::vector<forebay::Loaded> loaded;
    for (const auto& key : keys) {
      const int n = std::stoi(key[0]);
      loaded.push_back({.value = std::to_string(n * n)});
    }
    return forebay::Result<std::vector<forebay::Loaded>>(std::move(loaded));
  };
  auto layer = forebay::Layer::open(kConfiguration, std::move(environment));
  if (!layer) {
    std::fprintf(stderr, "%s\n", layer.error().message.c_str());
    return 1;
  }
  for (int i = 0; i < 2; ++i) {
    auto answer = (*layer)->get("square:12");
    if (!answer || !answer->value || answer->value->view() != "144") return 1;
  }
  std::printf("square:12 = 144 after %d load\n", loads);
  return loads == 1 ? 0 : 1;
}
