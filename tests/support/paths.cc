#include "support/paths.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace forebay::test {
namespace {

namespace fs = std::filesystem;

// The nearest folder above this program's that has `name` in it.
fs::path above(std::string_view name) {
  const fs::path program = fs::read_symlink("/proc/self/exe");
  for (fs::path folder = program.parent_path(); folder != folder.root_path(); folder = folder.parent_path()) {
    if (fs::exists(folder / name)) return folder;
  }
  std::fprintf(stderr, "no %s in the folders above %s\n", std::string(name).c_str(), program.c_str());
  std::abort();
}

}  // namespace

fs::path binary_dir() {
  return above("CMakeCache.txt");
}
fs::path source_dir() {
  return above("CMakePresets.json");
}

}  // namespace forebay::test
