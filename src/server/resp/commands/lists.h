#pragma once

// What the commands on lists share, those that wait included.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "memory/collection/sequence.h"
#include "server/resp/commands/collections.h"

namespace forebay::server {

enum class Side : std::uint8_t { kLeft, kRight };

// Nothing: an error has been answered.
std::optional<Side> parse_side(Context& context, std::string_view text);

void insert(memory::Sequence& list, Side side, std::string_view text);
// Takes out so many from a side, the outermost first.
std::vector<std::string> take(memory::Sequence& list, Side side, std::int64_t count);

// What LMOVE did.
struct Moved {
  std::optional<std::string> element;  // nothing: there is none to be moved, or there is an error
  std::string_view error = {};         // the reply's text; empty: none
  bool no_list = false;                // the error is that the source is no list
};
// Moves the element at one end of a list to an end of another, or of the same. Whoever does not hold the shards of both
// keys by a Layer::Guard sets `hold`; then they are locked here, also where nothing is moved.
Moved move_element(Layer& layer, Instant now, std::span<const std::string_view, 2> pair, Side from, Side to,
                   bool hold);

}  // namespace forebay::server
