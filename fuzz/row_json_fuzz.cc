// Rows as clients send them, text as databases hold it, and base64: whatever the bytes, no crash, and what
// comes out again is JSON and says the same.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/row_json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace forebay;
  const std::string_view input(reinterpret_cast<const char*>(data), size);

  std::string text;
  append_json_string(text, input);
  if (!is_json(text)) std::abort();

  std::string base64;
  append_base64(base64, input);
  if (decode_base64(base64) != input) std::abort();
  if (const auto bytes = decode_base64(input)) {
    std::string again;
    append_base64(again, *bytes);
    if (again != input) std::abort();
  }

  if (auto fields = fields_of_row(input)) {
    if (!is_json(input)) std::abort();
    RowJson row;
    for (const auto& [name, value] : *fields) {
      auto found = field_of_row(input, name);
      if (!found || !*found || **found != value) std::abort();
      if (value) {
        row.text(name, *value);
      } else {
        row.null(name);
      }
    }
    auto again = fields_of_row(row.take());
    if (!again || *again != *fields) std::abort();
  }
  return 0;
}
