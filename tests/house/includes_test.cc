// The rooms of src/ stand on each other: a room includes from the rooms below it, never from one above. The
// order is the table in src/README.md, read here, so that the map and the rule are one text.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "house/tree.h"
#include "support/paths.h"

namespace forebay::house {
namespace {

// The table's first column, from the uppermost room to the lowest, without the public headers: "server" for
// `server/resp/` and `server/http/`.
std::vector<std::string> rooms() {
  std::vector<std::string> order;
  for (const File& map : files({"src"}, {"README.md"})) {
    for (const std::string& line : map.lines) {
      constexpr std::string_view kCell = "| `";
      if (!line.starts_with(kCell) || line.starts_with("| `../")) continue;
      const std::string room = line.substr(kCell.size(), line.find('/') - kCell.size());
      if (std::ranges::find(order, room) == order.end()) order.push_back(room);
    }
  }
  return order;
}

// How far down; include/forebay is below every room.
std::size_t depth(std::string_view room) {
  static const std::vector<std::string> order = rooms();
  if (room == "forebay") return order.size();
  return static_cast<std::size_t>(std::ranges::find(order, room) - order.begin());
}

std::string first_folder(std::string_view path) {
  return std::string(path.substr(0, path.find('/')));
}

TEST(Rooms, TheMapNamesEveryFolder) {
  const std::vector<std::string> order = rooms();
  ASSERT_GE(order.size(), 10u);
  for (const auto& entry : std::filesystem::directory_iterator(test::source_dir() / "src")) {
    if (!entry.is_directory()) continue;
    EXPECT_NE(std::ranges::find(order, entry.path().filename().string()), order.end())
        << entry.path().filename() << " is not in src/README.md";
  }
  for (const std::string& room : order) {
    EXPECT_TRUE(std::filesystem::is_directory(test::source_dir() / "src" / room))
        << "src/README.md names src/" << room << ", which is not there";
  }
}

TEST(Rooms, IncludeOnlyFromRoomsBelow) {
  for (const File& file : files({"src"}, {".cc", ".h"})) {
    const std::string room = first_folder(std::string_view(file.path).substr(4));
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string_view target = quoted_include(file.lines[i]);
      if (target.empty()) continue;
      EXPECT_GE(depth(first_folder(target)), depth(room)) << file.at(i) << "\n"
                                                          << room << " stands below that room";
    }
  }
}

// The folders of src/layer/ from the uppermost to the lowest, as the same map has them.
std::vector<std::string> folders_of_the_layer() {
  std::vector<std::string> order;
  for (const File& map : files({"src"}, {"README.md"})) {
    for (const std::string& line : map.lines) {
      constexpr std::string_view kCell = "| `layer/";
      if (!line.starts_with(kCell)) continue;
      const std::string folder = line.substr(kCell.size(), line.find('`', kCell.size()) - kCell.size());
      if (!folder.empty()) order.push_back(first_folder(folder));
    }
  }
  return order;
}

// "read" for src/layer/read/read_path.h or layer/read/read_path.h; empty for a file of src/layer/ itself, and
// nothing for one elsewhere.
std::optional<std::string> folder_in_layer(std::string_view path) {
  if (path.starts_with("src/")) path.remove_prefix(4);
  if (!path.starts_with("layer/")) return std::nullopt;
  path.remove_prefix(6);
  return path.find('/') == std::string_view::npos ? std::string() : first_folder(path);
}

// Inside the layer the same holds: what is put together out of the folders stands above them all, and reads and
// writes of a key meet in key/ and nowhere else.
TEST(Rooms, InsideTheLayerIncludeOnlyFromFoldersBelow) {
  const std::vector<std::string> order = folders_of_the_layer();
  ASSERT_GE(order.size(), 7u);
  const auto depth_of = [&](const std::string& folder) {
    return folder.empty() ? -1 : std::ranges::find(order, folder) - order.begin();
  };
  for (const File& file : files({"src/layer"}, {".cc", ".h"})) {
    const std::string folder = *folder_in_layer(file.path);
    EXPECT_LT(depth_of(folder), static_cast<std::ptrdiff_t>(order.size()))
        << file.path << ": src/README.md does not name its folder";
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const auto target = folder_in_layer(quoted_include(file.lines[i]));
      if (!target) continue;
      EXPECT_GE(depth_of(*target), depth_of(folder)) << file.at(i) << "\n"
                                                     << folder << " stands below that folder";
      EXPECT_FALSE(folder == "read" && *target == "write") << file.at(i);
      EXPECT_FALSE(folder == "write" && *target == "read") << file.at(i);
    }
  }
}

TEST(Rooms, PublicHeadersIncludeOnlyPublicHeaders) {
  for (const File& file : files({"include"}, {".h"})) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string_view target = quoted_include(file.lines[i]);
      EXPECT_TRUE(target.empty() || target.starts_with("forebay/")) << file.at(i);
    }
  }
}

// Tests reach into any room; a program of somebody else's has the public headers only, and so have the
// examples.
TEST(Rooms, ExamplesUseWhatAnOutsideProgramCanUse) {
  for (const File& file : files({"examples", "tests/packaging/outside"}, {".cc", ".h"})) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string_view target = quoted_include(file.lines[i]);
      EXPECT_TRUE(target.empty() || target.starts_with("forebay/") ||
                  target.find('/') == std::string_view::npos)
          << file.at(i);
    }
  }
}

TEST(Rooms, EveryQuotedIncludeIsAFileOfOurs) {
  const auto root = test::source_dir();
  for (const File& file : own_cpp()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string target(quoted_include(file.lines[i]));
      if (target.empty()) continue;
      const auto beside = (root / file.path).parent_path() / target;
      EXPECT_TRUE(exists(root / "src" / target) || exists(root / "include" / target) ||
                  exists(root / "tests" / target) || exists(beside))
          << file.at(i);
    }
  }
}

}  // namespace
}  // namespace forebay::house
