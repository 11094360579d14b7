#pragma once

// What every session of ours says of how values are written, so that a value has one text wherever it comes from: a
// query, or the server's log.

namespace forebay::source::postgres {

struct Setting {
  const char* name;
  const char* value;
};
inline constexpr Setting kSettings[] = {
    {"TimeZone", "UTC"},     {"DateStyle", "ISO"},        {"IntervalStyle", "iso_8601"},
    {"bytea_output", "hex"}, {"extra_float_digits", "1"}, {"standard_conforming_strings", "on"},
};

}  // namespace forebay::source::postgres
