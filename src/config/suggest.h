#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace forebay::config {

// How many single-character edits (insert, delete, replace, swap of neighbours) make `a` of `b`: optimal
// string alignment. Bytes, case not regarded. O(|a| x |b|).
std::size_t edit_distance(std::string_view a, std::string_view b);

// `; did you mean "…"?` with the known word nearest to `word`, or nothing if none is near: at most one edit
// in three characters, or one is the beginning of the other.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known);

// "a", "b" or "c": for messages that list what there is.
std::string quoted_list(std::span<const std::string_view> words);

}  // namespace forebay::config
