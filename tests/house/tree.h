#pragma once

// The repository as text, for tests about its form.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "support/paths.h"

namespace forebay::house {

struct File {
  std::string path;                // relative to the root, with forward slashes
  std::vector<std::string> lines;  // without line ends

  std::string at(std::size_t index) const {
    return path + ":" + std::to_string(index + 1) + ": " + lines[index];
  }
};

// The files of these folders whose names end in one of the endings, by path. Folders that do not exist and
// what npm fetched are left out.
inline std::vector<File> files(const std::vector<std::string>& folders,
                               const std::vector<std::string>& endings) {
  namespace fs = std::filesystem;
  const fs::path root = test::source_dir();
  std::vector<File> found;
  for (const std::string& folder : folders) {
    if (!fs::exists(root / folder)) continue;
    for (fs::recursive_directory_iterator entry(root / folder), end; entry != end; ++entry) {
      const fs::path& path = entry->path();
      if (path.filename() == "node_modules") entry.disable_recursion_pending();
      const bool wanted = std::ranges::any_of(
          endings, [&](const std::string& ending) { return path.filename().string().ends_with(ending); });
      if (!entry->is_regular_file() || !wanted) continue;
      File file{.path = fs::relative(path, root).generic_string(), .lines = {}};
      std::ifstream text(path);
      for (std::string line; std::getline(text, line);) file.lines.push_back(line);
      found.push_back(std::move(file));
    }
  }
  std::ranges::sort(found, {}, &File::path);
  return found;
}

inline std::vector<File> own_cpp() {
  return files({"include", "src", "tests", "bench", "fuzz", "examples"}, {".cc", ".h"});
}

// What stands between the quotes of `#include "…"`; empty for any other line.
inline std::string_view quoted_include(std::string_view line) {
  constexpr std::string_view kStart = "#include \"";
  if (!line.starts_with(kStart)) return {};
  line.remove_prefix(kStart.size());
  return line.substr(0, line.find('"'));
}

// A file's whole text; empty if there is none.
inline std::string read(const std::string& path) {
  std::ifstream text(test::source_dir() / path);
  return {std::istreambuf_iterator<char>(text), {}};
}

}  // namespace forebay::house
