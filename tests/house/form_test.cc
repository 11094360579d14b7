// Habits that a reader relies on, kept by a test instead of by memory.

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <string>
#include <vector>

#include "house/tree.h"

namespace forebay::house {
namespace {

constexpr std::size_t kLongestFile = 700;  // lines; the aim is 500

// Written in two halves, or this file would fail its own test.
std::string halves(const char* first, const char* second) {
  return std::string(first) + second;
}

TEST(Form, NoFileIsLongerThanAReaderCanHold) {
  for (const File& file : own_cpp()) {
    EXPECT_LE(file.lines.size(), kLongestFile) << file.path << ": split it by responsibility";
  }
}

TEST(Form, WhatIsNotThereIsNotDeclared) {
  const std::regex marker(halves("\\b(TO", "DO|FIX") + halves("ME|XX", "X|HA") + "CK)\\b");
  for (const File& file :
       files({"include", "src", "tests", "bench", "fuzz", "examples", "docs", "cmake", "packaging"},
             {".cc", ".h", ".md", ".cmake", ".txt", ".in", ".toml", ".py", ".js"})) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      EXPECT_FALSE(std::regex_search(file.lines[i], marker)) << file.at(i);
    }
  }
}

TEST(Form, EveryHeaderGuardsItself) {
  for (const File& file : own_cpp()) {
    if (!file.path.ends_with(".h")) continue;
    EXPECT_NE(std::ranges::find(file.lines, "#pragma once"), file.lines.end()) << file.path;
  }
}

// A test that sleeps is slow on a good day and wrong on a bad one: move the clock, wait for the event, or
// poll with a deadline through tests/support/, which is the one place that may sleep between two looks.
TEST(Form, TestsAndExamplesDoNotSleep) {
  const std::regex pause(halves("\\b(sleep", "_for|sleep") + halves("_until|u", "sleep|nano") +
                         "sleep|sleep)\\s*\\(");
  for (const File& file : files({"tests", "examples"}, {".cc", ".h"})) {
    if (file.path.starts_with("tests/support/")) continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      if (line.find("pg_") != std::string::npos) continue;  // a slow query is the database's, not ours
      EXPECT_FALSE(std::regex_search(line, pause)) << file.at(i);
    }
  }
}

// base/mutex.h carries the annotations that clang checks; std::mutex carries none, so no class has one as a
// member.
TEST(Form, MembersAreGuardedByAnnotatedLocks) {
  const std::regex plain("std::(mutex|shared_mutex|condition_variable) \\w+_;");
  for (const File& file : files({"src"}, {".cc", ".h"})) {
    if (file.path == "src/base/mutex.h") continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      EXPECT_FALSE(std::regex_search(file.lines[i], plain)) << file.at(i) << "\nuse base/mutex.h";
    }
  }
}

// Every memory order weaker than the default has a sentence, where the atomic is declared. What is checked is
// that a file that declares atomics speaks of their order at all, if anybody names a weaker one for the
// members it declares.
TEST(Form, WeakMemoryOrdersAreExplained) {
  const std::regex declaration(R"(std::atomic<.*> (\w+)(\{| =|;))");
  const std::regex explained(
      "//.*\\b([Rr]elaxed|[Aa]cquire|[Rr]elease|[Oo]rder(ing|ed|s)?|[Pp]ublish(es|ed)?)\\b");
  std::string weak;  // every line that names a weaker order
  const std::vector<File> sources = files({"include", "src"}, {".cc", ".h"});
  for (const File& file : sources) {
    for (const std::string& line : file.lines) {
      if (line.find("memory_order") != std::string::npos) weak += line + "\n";
    }
  }
  for (const File& file : sources) {
    if (std::ranges::any_of(file.lines,
                            [&](const std::string& line) { return std::regex_search(line, explained); })) {
      continue;
    }
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch match;
      if (!std::regex_search(file.lines[i], match, declaration)) continue;
      EXPECT_EQ(weak.find(match[1].str() + "."), std::string::npos) << file.at(i);
    }
  }
}

// Absolute paths of the machine a file was written on have no meaning on any other.
TEST(Form, NoPathOfTheAuthorsMachine) {
  const std::regex home(halves("(^|[^A-Za-z0-9_.])/(wo", "rk|ho") + "me/[a-z]+|root)/");
  for (const File& file :
       files({"include", "src", "tests", "bench", "fuzz", "examples", "docs", "cmake", "packaging"},
             {".cc", ".h", ".md", ".cmake", ".txt", ".in", ".toml", ".py", ".js", ".json"})) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      EXPECT_FALSE(std::regex_search(file.lines[i], home)) << file.at(i);
    }
  }
}

}  // namespace
}  // namespace forebay::house
