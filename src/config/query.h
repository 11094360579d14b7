#pragma once

// Where the parameters of a namespace's query stand: `SELECT … WHERE target = {name}`.
//
// A parameter is a name in braces, outside of what the database quotes or comments: 'text', "name", -- to the
// line's end, /* … */; in SQLite `name` and [name]; in PostgreSQL E'text\'s', $tag$text$tag$ and comments
// within comments; in MySQL `name`, 'text\'s', "text" and # to the line's end, where -- needs a blank after it. Braces inside those are the query's own ('{"a":1}'). Parameters in the database's own
// notation (?, :name, $1) are mistakes: nothing would be bound to them.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/pattern.h"

namespace forebay::config {

enum class Dialect : std::uint8_t { kSqlite, kPostgres, kMysql };

// A query, split: text, parameter, text, parameter, …, text.
struct Query {
  struct Parameter {
    std::string name;  // what stands between the braces, whatever it is: the caller knows the key's fields
    std::size_t offset = 0;  // of the opening brace
  };
  std::vector<std::string> texts;     // one more than parameters
  std::vector<Parameter> parameters;  // in the order of their appearance; a name may come again
};

// Every mistake is added to `mistakes`; the query is usable only if there was none. O(n).
Query parse_query(std::string_view text, Dialect dialect, std::vector<TextMistake>& mistakes);

}  // namespace forebay::config
