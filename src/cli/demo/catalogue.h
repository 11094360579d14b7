#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace forebay::cli::demo {

// One alternative of one of a package's requirements: `Depends: a (>= 1) | b, c` makes three edges.
struct Edge {
  std::string target;
  std::string kind;  // "depends" or "pre-depends"
};

struct Package {
  std::string name, version, section, architecture, maintainer, homepage;
  std::string description;          // the short one, a line
  std::int64_t installed_size = 0;  // KiB; 0: not said
  std::vector<Edge> edges;          // in the order written, repetitions included
};

// Reads a Debian package catalogue as `apt-cache dumpavail` writes it (deb822: stanzas of `Field: value`
// lines, separated by empty lines; a line that begins with a blank continues the field above it; field names
// in any case). Takes text in pieces of any size. A stanza without a package name or version is skipped. Not
// thread-safe.
class CatalogueReader {
 public:
  explicit CatalogueReader(std::function<void(const Package&)> on_package)
      : on_package_(std::move(on_package)) {}

  void feed(std::string_view text);
  // The text has ended: the last stanza needs no empty line after it.
  void finish();

 private:
  void line(std::string_view text);
  void end_of_field();
  void end_of_stanza();

  std::function<void(const Package&)> on_package_;
  std::string partial_;  // the beginning of a line whose end has not arrived
  std::string field_;    // the field being read, in lower case; empty: one that is not used
  std::string value_;
  Package package_;
};

// The edges that a Depends or Pre-Depends field stands for, appended. Versions, architectures and build
// profiles in brackets are left out, and so is the `:any` after a name.
void append_edges(std::string_view field, std::string_view kind, std::vector<Edge>& edges);

}  // namespace forebay::cli::demo
