// A group of the journal's file: whatever the bytes, no crash and no op that reaches out of them; what can be
// read comes out again when it is written and read once more.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "journal/group.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace forebay::journal;
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::uint64_t last = data[0];
  GroupReader reader(1, last, bytes);
  Group group;
  std::vector<OpView> ops;
  while (true) {
    const auto read = reader.next();
    if (!read) return 0;
    if (!*read) break;
    if ((*read)->seq != ops.size() + 1) std::abort();
    ops.push_back((*read)->op);
    group.add(ops.size(), ops.back());
  }
  if (ops.empty()) return 0;
  GroupReader again(1, last, group.bytes());
  for (const OpView& op : ops) {
    const auto read = again.next();
    if (!read || !*read) std::abort();
    const OpView& same = (*read)->op;
    if (same.lane != op.lane || same.source != op.source || same.space != op.space || same.key != op.key ||
        same.payload != op.payload)
      std::abort();
  }
  const auto end = again.next();
  if (!end || *end) std::abort();
  return 0;
}
