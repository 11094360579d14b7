#include "events/template.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace forebay::events {
namespace {

namespace json = boost::json;

Error malformed(std::string what) {
  return {ErrorCode::kInvalidArgument, std::move(what)};
}

Result<json::value> parse(std::string_view text) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  if (error) return malformed("it is no JSON");
  return value;
}

// What the fields of a template can be, by following their paths.
class Paths {
 public:
  Paths(std::string_view path, std::size_t most) : path_(path), most_(most) {}

  // `rest`: of the path, from here on.
  Result<void> follow(const json::value& value, std::string_view rest) {
    if (const json::array* list = value.if_array()) {
      for (const json::value& element : *list) {
        if (auto followed = follow(element, rest); !followed) return followed;
      }
      return {};
    }
    if (rest.empty()) return take(value);
    const json::object* object = value.if_object();
    if (object == nullptr) return missing();
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    const auto found = object->find(rest.substr(0, dot));
    if (found == object->end()) return missing();
    return follow(found->value(), dot == rest.size() ? "" : rest.substr(dot + 1));
  }

  // A value of a stream's entry, which is a text: only a list or an object in it is taken for JSON.
  Result<void> follow_text(std::string_view text, std::string_view rest) {
    if (!rest.empty() || text.starts_with('[')) {
      if (const auto value = parse(text)) return follow(*value, rest);
      if (!rest.empty()) return malformed(fmt::format("what {{{}}} goes through is no JSON", path_));
    }
    return add(std::string(text));
  }

  Result<void> missing() const { return malformed(fmt::format("it has no {{{}}}", path_)); }
  std::vector<std::string> take_values() { return std::move(values_); }

 private:
  Result<void> take(const json::value& value) {
    switch (value.kind()) {
      case json::kind::string:
        return add(std::string(value.get_string()));
      case json::kind::int64:
        return add(std::to_string(value.get_int64()));
      case json::kind::uint64:
        return add(std::to_string(value.get_uint64()));
      case json::kind::bool_:
        return add(value.get_bool() ? "true" : "false");
      case json::kind::null:
        return missing();
      default:
        return malformed(fmt::format("its {{{}}} is neither a text nor an integer", path_));
    }
  }

  Result<void> add(std::string value) {
    if (value.empty()) return malformed(fmt::format("its {{{}}} is empty", path_));
    if (value.contains('\0')) return malformed(fmt::format("its {{{}}} has a zero byte", path_));
    if (value.size() > kMaxKey) return malformed(fmt::format("its {{{}}} is too long for a key", path_));
    if (values_.size() >= most_) return malformed("it names too many keys");
    values_.push_back(std::move(value));
    return {};
  }

  const std::string_view path_;
  const std::size_t most_;
  std::vector<std::string> values_;
};

class Expander {
 public:
  Expander(const Message& message, std::size_t most) : message_(message), most_(most) {}

  Result<void> open() {
    if (message_.too_large) return malformed("it is too large");
    if (message_.fields) return {};
    auto value = parse(message_.text);
    if (!value) return std::move(value).error();
    root_ = std::move(*value);
    return {};
  }

  Result<void> add(const config::KeyTemplate& wanted) {
    const config::Pattern& pattern = wanted.pattern;
    std::vector<std::string> keys{pattern.literals.front()};
    for (std::size_t i = 0; i < pattern.fields.size(); ++i) {
      auto values = values_of(pattern.fields[i]);
      if (!values) return std::move(values).error();
      if (keys.size() * values->size() > most_ - made_.size()) return malformed("it names too many keys");
      std::vector<std::string> longer;
      longer.reserve(keys.size() * values->size());
      for (const std::string& key : keys) {
        for (const std::string& value : *values) longer.push_back(key + value + pattern.literals[i + 1]);
      }
      keys = std::move(longer);
    }
    for (std::string& key : keys) {
      if (key.size() > kMaxKey) return malformed("a key that it names is too long");
      if (made_.size() >= most_) return malformed("it names too many keys");
      made_.push_back({wanted.target, std::move(key)});
    }
    return {};
  }

  std::vector<Invalidation> take() { return std::move(made_); }

 private:
  Result<std::vector<std::string>> values_of(std::string_view path) {
    Paths paths(path, most_);
    auto followed = message_.fields ? of_fields(paths, path) : paths.follow(root_, path);
    if (!followed) return std::move(followed).error();
    return paths.take_values();
  }

  // A field of that name, dots and all, before one that the path leads through.
  Result<void> of_fields(Paths& paths, std::string_view path) const {
    const auto value_of = [&](std::string_view name) {
      const auto found =
          std::ranges::find(*message_.fields, name, &std::pair<std::string, std::string>::first);
      return found == message_.fields->end() ? nullptr : &found->second;
    };
    if (const std::string* value = value_of(path)) return paths.follow_text(*value, "");
    const std::size_t dot = path.find('.');
    const std::string* value = dot == std::string_view::npos ? nullptr : value_of(path.substr(0, dot));
    return value == nullptr ? paths.missing() : paths.follow_text(*value, path.substr(dot + 1));
  }

  const Message& message_;
  const std::size_t most_;
  json::value root_;
  std::vector<Invalidation> made_;
};

}  // namespace

Expansion expand(std::span<const config::KeyTemplate> templates, const Message& message, std::size_t most) {
  Expansion expansion;
  Expander expander(message, most);
  if (auto opened = expander.open(); !opened) {
    expansion.wrong = std::move(opened).error();
    return expansion;
  }
  for (const config::KeyTemplate& wanted : templates) {
    if (auto added = expander.add(wanted); !added) expansion.wrong = std::move(added).error();
  }
  expansion.made = expander.take();
  return expansion;
}

}  // namespace forebay::events
