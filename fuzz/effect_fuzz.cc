// A journal's text for a write, as a person may have edited it: whatever the bytes, no crash; what can be
// read comes out again as text that reads the same, and can be combined with itself and shown.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/row_json.h"
#include "journal/effect.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace forebay;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto effect = journal::decode(input);
  if (!effect) return 0;
  const std::string text = journal::encode(*effect);
  if (!is_json(text) && !fields_of_row(text, nullptr, kJsonDepthMax + 1)) std::abort();
  const auto again = journal::decode(text);
  if (!again || *again != *effect) std::abort();

  std::vector<journal::Step> steps;
  journal::combine(steps, *effect, 1);
  journal::combine(steps, *effect, 2);
  if (steps.empty() || steps.back().last != 2) std::abort();
  for (const journal::Step& step : steps) (void)journal::writes_of(step.effect);
  const journal::Shape row{ValueKind::kJson, "", {{"id", "7"}}};
  if (const auto value = journal::merge(row, R"({"id":7,"a":1})", steps); value && *value) {
    if (!is_json(**value)) std::abort();
  }
  return 0;
}
