#include "layer/audit/equal_values.h"

#include <algorithm>
#include <boost/json.hpp>
#include <string>
#include <vector>

namespace forebay::layer {
namespace {

namespace json = boost::json;

// An object's members in the order of their names, so that equal values have equal text.
void write(const json::value& value, std::string& to) {
  if (const auto* object = value.if_object()) {
    std::vector<const json::key_value_pair*> members;
    for (const auto& member : *object) members.push_back(&member);
    std::ranges::sort(members, {}, [](const auto* member) { return std::string_view(member->key()); });
    to += '{';
    for (const auto* member : members) {
      to += json::serialize(json::string(member->key()));
      to += ':';
      write(member->value(), to);
      to += ',';
    }
    to += '}';
  } else if (const auto* array = value.if_array()) {
    to += '[';
    for (const json::value& element : *array) {
      write(element, to);
      to += ',';
    }
    to += ']';
  } else {
    to += json::serialize(value);
  }
}

std::vector<std::string> parts_of(const json::value& value) {
  std::vector<std::string> parts;
  if (const auto* array = value.if_array()) {
    for (const json::value& element : *array) write(element, parts.emplace_back());
    std::ranges::sort(parts);
  } else {
    write(value, parts.emplace_back());
  }
  return parts;
}

}  // namespace

bool equal_values(std::string_view a, std::string_view b) {
  if (a == b) return true;
  boost::system::error_code wrong;
  const json::value left = json::parse(a, wrong);
  if (wrong) return false;
  const json::value right = json::parse(b, wrong);
  if (wrong) return false;
  return left.kind() == right.kind() && parts_of(left) == parts_of(right);
}

}  // namespace forebay::layer
