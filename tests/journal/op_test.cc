#include "journal/op.h"

#include <gtest/gtest.h>

#include "journal/crc32c.h"

namespace forebay::journal {
namespace {

TEST(JournalOp, TheChecksumCoversEveryField) {
  const Op op{7, 1, "db", "views", "k", "v"};
  const std::uint32_t sum = checksum(op);
  for (int field = 0; field < 6; ++field) {
    Op other = op;
    if (field == 0) other.seq = 8;
    if (field == 1) other.lane = 2;
    if (field == 2) other.source = "dc";
    if (field == 3) other.space = "viewt";
    if (field == 4) other.key = "l";
    if (field == 5) other.payload = "w";
    EXPECT_NE(checksum(other), sum) << field;
  }
  // Bytes that move from one text to the next change it.
  EXPECT_NE(checksum({7, 1, "db", "views", "kv", ""}), sum);
}

TEST(Crc32c, HasTheStandardsCheckValue) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c("456789", crc32c("123")), 0xE3069283U);
}

}  // namespace
}  // namespace forebay::journal
