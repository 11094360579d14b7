// The reply parser gets the input whole and cut into pieces; both must come to the same, and stay within the
// limits.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "resp/reply_parser.h"

namespace {

using forebay::resp::Reply;
using forebay::resp::ReplyLimits;
using forebay::resp::ReplyParser;

void show(const Reply& reply, std::string& out, std::size_t depth, const ReplyLimits& limits) {
  if (depth > limits.max_depth) std::abort();
  out.push_back(static_cast<char>('a' + static_cast<int>(reply.kind)));
  out.append(reply.text).append(std::to_string(reply.integer)).append(std::to_string(reply.real));
  for (const Reply& child : reply.children) show(child, out, depth + 1, limits);
  out.push_back('/');
}

std::string run(std::string_view stream, const ReplyLimits& limits, std::size_t step) {
  ReplyParser parser(limits);
  std::string seen;
  while (!stream.empty()) {
    const std::size_t size = std::min(step, stream.size());
    const auto piece = std::make_unique<char[]>(size);
    std::memcpy(piece.get(), stream.data(), size);
    stream.remove_prefix(size);
    std::string_view rest(piece.get(), size);
    while (!rest.empty()) {
      const auto complete = parser.feed(rest);
      if (!complete) return seen + complete.error().message;
      if (*complete) show(parser.take(), seen, 0, limits);
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const ReplyLimits limits{.max_bytes = 4096, .max_nodes = 256, .max_depth = 8};
  const std::size_t step = data[0] % 16 + 1;
  const std::string_view stream(reinterpret_cast<const char*>(data + 1), size - 1);
  if (run(stream, limits, stream.size() + 1) != run(stream, limits, step)) std::abort();
  return 0;
}
