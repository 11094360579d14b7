#pragma once

// The names under which keys of a client's other databases (SELECT 1 and on) live beside those of database 0:
// their own names behind four bytes. Names in database 0 are as they are, and so cost nothing.

#include <cstddef>
#include <string>
#include <string_view>

namespace forebay {

// Databases 0 to 15.
inline constexpr unsigned kMostDatabases = 16;

// Three bytes that no UTF-8 text has, and the number of the database. Whoever uses such a key in database 0 means
// that key of the other one: it would have to begin with these four bytes by chance.
inline constexpr std::string_view kDatabaseMark = "\xff\xdb\xfe";
inline constexpr std::size_t kDatabasePrefix = kDatabaseMark.size() + 1;

// Which database the name is of. O(1), for other names a comparison of one byte.
constexpr unsigned database_of(std::string_view name) {
  if (name.empty() || name.front() != kDatabaseMark.front()) [[likely]]
    return 0;
  if (name.size() < kDatabasePrefix || !name.starts_with(kDatabaseMark)) return 0;
  const auto number = static_cast<unsigned char>(name[kDatabaseMark.size()]);
  return number < kMostDatabases ? number : 0;
}

// The key as its client knows it.
constexpr std::string_view without_database(std::string_view name) {
  return database_of(name) == 0 ? name : name.substr(kDatabasePrefix);
}

// What the names of all keys of a database begin with.
inline std::string database_prefix(unsigned database) {
  if (database == 0) return {};
  std::string prefix(kDatabaseMark);
  prefix += static_cast<char>(database);
  return prefix;
}

}  // namespace forebay
