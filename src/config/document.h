#pragma once

// A TOML text as a tree that remembers where everything stands, with every syntax mistake in it at once.
//
// The TOML library stops at the first syntax mistake. To find the others, the text is cut into statements (a
// header, or a key with its value), each broken one is blanked out, and the rest is parsed again: one typing
// error doesn't hide what else is wrong. This file knows nothing of what the keys mean, and no other needs
// the TOML library's headers.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "config/mistake.h"

namespace forebay::config {

struct Node;
using NodeArray = std::vector<Node>;

struct NodeEntry {
  std::string key;
  Position at;  // of the key
  // Indirect, as Node is incomplete here; never empty.
  std::vector<Node> value;
};
// In the order of the file.
using NodeTable = std::vector<NodeEntry>;

struct Node {
  // Dates and times, which no setting takes, are std::monostate.
  std::variant<std::monostate, std::string, std::int64_t, double, bool, NodeArray, NodeTable> value;
  Position at;  // of the value; of the header for a [table]

  const NodeTable* table() const { return std::get_if<NodeTable>(&value); }
  // What it is, with its article, for messages: "a text", "an integer", …
  std::string_view kind() const;
};

struct Document {
  Node root;                      // a table
  std::vector<Mistake> mistakes;  // of syntax, duplicate keys included
  std::string text;               // as it was given

  // Where the byte `offset` of a text value stands: inside the quotes if the value is written without
  // escapes before that byte, else where the value begins. O(text).
  Position inside(const Node& text, std::size_t offset) const;
};

// Never fails: what can't be understood is in `mistakes` and absent from `root`. Columns count code points.
Document parse_document(std::string_view text);

}  // namespace forebay::config
