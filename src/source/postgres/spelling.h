#pragma once

// Scalars as PostgreSQL's input functions take them and its output functions write them. Spellings that only
// some versions know are left to the server.
//
// Pure functions; thread-safe. Linear in the text's length.

#include <string>
#include <string_view>

namespace forebay::source::postgres {

bool is_digit(char c);
int hex_digit(char c);  // of 0 to 9 and a to f; -1: it is none

// An integer as PostgreSQL writes it, within the range that fits. `bytes` is Type::integer_bytes, here and
// below.
bool is_canonical_integer(std::string_view text, int bytes);
bool is_canonical_uuid(std::string_view text);

// Whether the server may take a text. False is sure.
bool may_be_integer(std::string_view text, int bytes);
bool may_be_number(std::string_view text);
bool may_be_boolean(std::string_view text);
bool may_be_uuid(std::string_view text);

// What the server writes for a text that it takes; what it does not take stays.
std::string integer_text(std::string_view text, int bytes);
std::string boolean_text(std::string_view text);  // true or false
// With extra_float_digits = 1; of 4 or 8 bytes.
std::string float_text(std::string_view text, int bytes);
// Of a numeric as it would be without a scale of its column's own; one with an exponent stays.
std::string numeric_text(std::string_view text);
std::string uuid_text(std::string_view text);

}  // namespace forebay::source::postgres
