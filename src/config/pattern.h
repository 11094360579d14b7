#pragma once

// Key patterns (`order:{region}:{id}`): their syntax, and whether two of them compete for a key.
//
//   pattern = literal { field literal } ;
//   field   = "{" name "}" ;
//   name    = letter or _, then letters, digits and _
//
// A literal is any text without braces; between two fields it must not be empty, or nobody could say where
// one ends. What matches a pattern is said at config::Pattern; the layer's router does the matching.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"
#include "forebay/result.h"

namespace forebay::config {

inline constexpr std::size_t kMaxPattern = 1024;  // bytes

// What is wrong with a piece of text, and at which of its bytes.
struct TextMistake {
  std::size_t offset = 0;
  std::string what;
};

// Whether a text may be the name of a field: a letter or _, then letters, digits and _.
bool is_field_name(std::string_view text);

// Splits a pattern. Every mistake is added to `mistakes`; the pattern is usable only if there was none. O(n).
Pattern parse_pattern(std::string_view text, std::vector<TextMistake>& mistakes);

// The same for one who needs a single Error (kConfig), with the byte offset of the first mistake in its text.
Result<Pattern> parse_pattern(std::string_view text);

// Whether two patterns compete: their literal text before the first field is the same and some key has the
// form of both, where a field may stand for any text of one byte or more. (Patterns whose first literals
// differ never compete: the longer one is tried first.) Returns such a key as an example; empty: they don't
// compete. O(|a| x |b|).
std::string common_key(const Pattern& a, const Pattern& b);

// The same without the first condition: a key that has the form of both, whichever namespace it goes to.
std::string shared_key(const Pattern& a, const Pattern& b);

}  // namespace forebay::config
