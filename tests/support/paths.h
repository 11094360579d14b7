#pragma once

#include <filesystem>

// Where a test finds the repository and what was built. Found from the program's own place at run time: an
// absolute path compiled in would keep the compiler's cache from serving another clone.
namespace forebay::test {

std::filesystem::path binary_dir();  // build/<preset>, where `forebay` and libforebay.a are
std::filesystem::path source_dir();  // the repository's root

}  // namespace forebay::test
