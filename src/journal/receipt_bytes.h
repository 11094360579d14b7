#pragma once

// The receipts of a commit group as bytes: what the journal keeps beside its ops, for longer than those.
//
//   receipts  receipt*
//   receipt   the number of its op (eight bytes, the lowest first), its size (four), its bytes

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/result.h"
#include "journal/op.h"

namespace forebay::journal {

// Requires fewer than 2^32 bytes.
void add_receipt(std::string& receipts, std::uint64_t seq, std::string_view receipt);

// Reads them back, whatever the bytes: all are of that time. kInternal: these are no receipts with rising
// numbers of which `last` is the last; says which byte. Then nothing is appended to `to`.
Result<void> read_receipts(std::uint64_t last, std::int64_t wall_ms, std::string_view receipts,
                           std::vector<Receipt>& to);

// CRC-32C of the receipts with the last one's number and their time, each as eight bytes, the lowest first.
std::uint32_t receipts_checksum(std::uint64_t last, std::int64_t wall_ms, std::string_view receipts);

}  // namespace forebay::journal
