// Traces as files: what is read, and what every kind of damage is called.

#include "cli/simulate/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/temp_dir.h"

namespace forebay::cli::simulate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::string number(std::uint64_t value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

struct Read {
  std::vector<std::pair<std::string, std::uint64_t>> requests;
  std::string error;
};

class Traces : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& bytes) {
    const std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  static Read read(const std::string& path) {
    Read result;
    auto reader = TraceReader::open(TraceFile(path));
    if (!reader) return {{}, reader.error().message};
    while (true) {
      const auto requests = reader->next();
      if (!requests) {
        result.error = requests.error().message;
        return result;
      }
      if (requests->empty()) return result;
      for (const Request& request : *requests) result.requests.emplace_back(request.key, request.size);
    }
  }

  test::TempDir folder_;
};

TEST_F(Traces, TheNameSaysFormatAndName) {
  const auto expect = [](const char* path, const char* name, TraceFormat format, bool compressed) {
    const TraceFile file(path);
    EXPECT_EQ(file.name, name) << path;
    EXPECT_EQ(file.format, format) << path;
    EXPECT_EQ(file.compressed, compressed) << path;
    EXPECT_EQ(file.path, path);
  };
  expect("a/b.c/oltp.keys.zst", "oltp", TraceFormat::kKeys, true);
  expect("oltp.keys", "oltp", TraceFormat::kKeys, false);
  expect("x/2024.01.kst.zst", "2024.01", TraceFormat::kKeySizeTime, true);
  expect("x.kst", "x", TraceFormat::kKeySizeTime, false);
  expect("access.txt", "access", TraceFormat::kText, false);
  expect("access.log.zst", "access", TraceFormat::kText, true);
  expect("access", "access", TraceFormat::kText, false);
}

TEST_F(Traces, KeysAreEightBytesEach) {
  const std::string bytes = number(7) + number(1) + number(7);
  const auto wanted =
      ElementsAre(testing::Pair(number(7), 0), testing::Pair(number(1), 0), testing::Pair(number(7), 0));
  EXPECT_THAT(read(write("t.keys", bytes)).requests, wanted);
  EXPECT_THAT(read(write("t.keys.zst", zstd(bytes))).requests, wanted);
}

TEST_F(Traces, SizesStandBetweenKeyAndTime) {
  const std::string bytes = number(7) + number(100) + number(1) + number(8) + number(200) + number(2);
  const auto wanted = ElementsAre(testing::Pair(number(7), 100), testing::Pair(number(8), 200));
  EXPECT_THAT(read(write("t.kst", bytes)).requests, wanted);
  EXPECT_THAT(read(write("t.kst.zst", zstd(bytes))).requests, wanted);
}

TEST_F(Traces, TextIsOneKeyALine) {
  const auto wanted = ElementsAre(testing::Pair("user:1", 0), testing::Pair("a b", 0), testing::Pair("z", 0));
  EXPECT_THAT(read(write("t.txt", "user:1\na b\nz\n")).requests, wanted);
  EXPECT_THAT(read(write("t", "user:1\na b\nz")).requests, wanted);
  EXPECT_THAT(read(write("t.txt.zst", zstd("user:1\na b\nz\n"))).requests, wanted);
}

// Larger than any buffer inside, so that records and lines lie across their ends.
TEST_F(Traces, LongOnesAreReadInParts) {
  std::string records;
  std::string lines;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    records += number(i) + number(i * 2) + number(0);
    lines += "key:" + std::to_string(i * i) + "\n";
  }
  for (const auto& path : {write("t.kst", records), write("t.kst.zst", zstd(records))}) {
    const Read got = read(path);
    ASSERT_EQ(got.error, "");
    ASSERT_THAT(got.requests, SizeIs(100'000));
    for (std::uint64_t i = 0; i < 100'000; ++i) ASSERT_EQ(got.requests[i], std::pair(number(i), i * 2));
  }
  for (const auto& path : {write("t.txt", lines), write("t.txt.zst", zstd(lines))}) {
    const Read got = read(path);
    ASSERT_EQ(got.error, "");
    ASSERT_THAT(got.requests, SizeIs(100'000));
    for (std::uint64_t i = 0; i < 100'000; ++i)
      ASSERT_EQ(got.requests[i].first, "key:" + std::to_string(i * i));
  }
}

TEST_F(Traces, SeveralFramesAreOneTrace) {
  EXPECT_THAT(read(write("t.keys.zst", zstd(number(1)) + zstd(number(2)))).requests, SizeIs(2));
}

// The frame's last byte is also the last that a buffer inside has room for.
TEST_F(Traces, AFrameMayEndWithTheBuffer) {
  for (std::size_t bytes = 1024; bytes <= (std::size_t{1} << 20); bytes *= 2) {
    const Read got = read(write("t.keys.zst", zstd(std::string(bytes, 'x'))));
    EXPECT_EQ(got.error, "") << bytes;
    EXPECT_THAT(got.requests, SizeIs(bytes / 8));
  }
}

TEST_F(Traces, EveryKindOfDamageIsSaidWithItsPlace) {
  const auto error = [&](const std::string& name, const std::string& bytes) {
    const std::string path = write(name, bytes);
    const std::string text = read(path).error;
    EXPECT_EQ(text.find(path), 0U) << text;
    return text.empty() ? text : text.substr(path.size());
  };
  EXPECT_EQ(error("t.keys", number(1) + "abc"), ": byte 8: the trace ends within a record: 3 of 8 bytes");
  EXPECT_EQ(error("t.kst", number(1) + number(2)),
            ": byte 0: the trace ends within a record: 16 of 24 bytes");
  EXPECT_EQ(error("t.keys.zst", zstd(number(1) + "abc")),
            ": byte 8: the trace ends within a record: 3 of 8 bytes");
  EXPECT_EQ(error("t.keys.zst", number(1)), ": zstd, byte 0: Unknown frame descriptor");
  EXPECT_EQ(error("t.keys.zst", ""), ": zstd, byte 0: an empty file is no zstd frame");
  const std::string frame = zstd(std::string(100'000, 'x'));
  EXPECT_EQ(error("t.txt.zst", frame.substr(0, frame.size() - 3)),
            ": zstd, byte " + std::to_string(frame.size() - 3) + ": the file ends within a zstd frame");
  EXPECT_EQ(error("t.txt", "a\nb\n\nc\n"), ":3: an empty line is no key");
  EXPECT_EQ(error("t.txt", "a\n" + std::string(kLongestTextKey + 1, 'x') + "\n"),
            ":2: a key longer than 65536 bytes");
  EXPECT_EQ(error("t.txt", "a\n" + std::string(1'000'000, 'x')), ":2: a key longer than 65536 bytes");
  EXPECT_THAT(read(folder_ / "none.keys").error, HasSubstr("none.keys: No such file or directory"));
}

TEST_F(Traces, TheLongestKeyIsNotTooLong) {
  const std::string key(kLongestTextKey, 'x');
  const Read got = read(write("t.txt", key + "\n" + key));
  EXPECT_EQ(got.error, "");
  EXPECT_THAT(got.requests, ElementsAre(testing::Pair(key, 0), testing::Pair(key, 0)));
}

}  // namespace
}  // namespace forebay::cli::simulate
