#include "cli/demo/catalogue.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace forebay::cli::demo {
namespace {

constexpr std::string_view kBlank = " \t\r";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Calls `visit` with each part of `text` between separators.
template <class Visit>
void split(std::string_view text, char separator, Visit visit) {
  for (;;) {
    const std::size_t end = text.find(separator);
    visit(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

struct TextField {
  std::string_view name;
  std::string Package::* member;
};
constexpr std::array kTextFields{
    TextField{"package", &Package::name},
    TextField{"version", &Package::version},
    TextField{"section", &Package::section},
    TextField{"architecture", &Package::architecture},
    TextField{"maintainer", &Package::maintainer},
    TextField{"homepage", &Package::homepage},
    TextField{"description", &Package::description},
};

bool is_list(std::string_view field) {
  return field == "depends" || field == "pre-depends";
}

bool is_used(std::string_view field) {
  return is_list(field) || field == "installed-size" ||
         std::ranges::find(kTextFields, field, &TextField::name) != kTextFields.end();
}

}  // namespace

void append_edges(std::string_view field, std::string_view kind, std::vector<Edge>& edges) {
  split(field, ',', [&](std::string_view requirement) {
    split(requirement, '|', [&](std::string_view alternative) {
      alternative = trimmed(alternative);
      alternative = alternative.substr(0, alternative.find_first_of(" \t(:[<"));
      if (!alternative.empty()) edges.push_back({std::string(alternative), std::string(kind)});
    });
  });
}

void CatalogueReader::feed(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      partial_ += text;
      return;
    }
    if (partial_.empty()) {
      line(text.substr(0, end));
    } else {
      partial_ += text.substr(0, end);
      line(partial_);
      partial_.clear();
    }
    text.remove_prefix(end + 1);
  }
}

void CatalogueReader::finish() {
  if (!partial_.empty()) line(std::exchange(partial_, {}));
  end_of_stanza();
}

void CatalogueReader::line(std::string_view text) {
  if (trimmed(text).empty()) return end_of_stanza();
  if (text.front() == ' ' || text.front() == '\t') {
    // Only lists are folded in a way that matters here; of a description the first line is all that is
    // wanted.
    if (is_list(field_)) value_ += text;
    return;
  }
  end_of_field();
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return;
  field_ = text.substr(0, colon);
  for (char& c : field_) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (is_used(field_)) {
    value_ = trimmed(text.substr(colon + 1));
  } else {
    field_.clear();
  }
}

void CatalogueReader::end_of_field() {
  if (field_.empty()) return;
  if (is_list(field_)) {
    append_edges(value_, field_, package_.edges);
  } else if (field_ == "installed-size") {
    std::from_chars(value_.data(), value_.data() + value_.size(), package_.installed_size);
  } else {
    package_.*std::ranges::find(kTextFields, field_, &TextField::name)->member = value_;
  }
  field_.clear();
}

void CatalogueReader::end_of_stanza() {
  end_of_field();
  if (!package_.name.empty() && !package_.version.empty()) on_package_(package_);
  package_ = {};
}

}  // namespace forebay::cli::demo
