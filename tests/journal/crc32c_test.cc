#include "journal/crc32c.h"

#include <gtest/gtest.h>

#include <string>

#include "support/manual_time.h"

namespace forebay::journal {
namespace {

// RFC 3720, appendix B.4, and the check value of the CRC catalogues.
TEST(Crc32c, HasTheStandardsValues) {
  std::string up;
  for (char byte = 0; byte < 32; ++byte) up += byte;
  const std::string down(up.rbegin(), up.rend());
  const std::string read(
      "\x01\xc0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x14\x00\x00\x00\x00\x00\x04\x00"
      "\x00\x00\x00\x14\x00\x00\x00\x18\x28\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00",
      48);
  for (const auto way : {crc32c, crc32c_by_tables, crc32c_by_instruction}) {
    if (way == crc32c_by_instruction && !has_crc32c_instruction()) continue;
    EXPECT_EQ(way(std::string(32, '\0'), 0), 0x8A9136AAU);
    EXPECT_EQ(way(std::string(32, '\xff'), 0), 0x62A8AB43U);
    EXPECT_EQ(way(up, 0), 0x46DD794EU);
    EXPECT_EQ(way(down, 0), 0x113FDB5CU);
    EXPECT_EQ(way(read, 0), 0xD9963A56U);
    EXPECT_EQ(way("123456789", 0), 0xE3069283U);
    EXPECT_EQ(way("", 0), 0U);
  }
}

TEST(Crc32c, BothWaysAgreeWhereverTheBytesLieAndHoweverTheyAreCut) {
  if (!has_crc32c_instruction()) GTEST_SKIP() << "this processor has no such instruction";
  forebay::test::SeededRandom random(7);
  std::string bytes;
  for (int i = 0; i < 4096; ++i) bytes += static_cast<char>(random.next());
  for (std::size_t from = 0; from < 9; ++from) {
    for (std::size_t size = 0; size < 100; ++size) {
      const std::string_view part = std::string_view(bytes).substr(from, size);
      ASSERT_EQ(crc32c_by_tables(part), crc32c_by_instruction(part)) << from << " " << size;
    }
  }
  const std::uint32_t whole = crc32c(bytes);
  EXPECT_EQ(crc32c_by_tables(bytes), whole);
  for (std::size_t cut = 0; cut <= bytes.size(); cut += 1 + random.next() % 50) {
    const std::string_view view = bytes;
    ASSERT_EQ(crc32c(view.substr(cut), crc32c(view.substr(0, cut))), whole) << cut;
  }
}

}  // namespace
}  // namespace forebay::journal
