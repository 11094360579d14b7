// The request parser gets the input whole and cut into pieces; both must come to the same, and stay within
// the limits.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "resp/request_parser.h"

namespace {

using forebay::resp::RequestLimits;
using forebay::resp::RequestParser;
using forebay::resp::RequestStatus;

std::vector<std::string> run(std::string_view stream, const RequestLimits& limits, std::size_t step) {
  std::vector<std::string> seen;
  RequestParser parser;
  std::size_t begin = 0;
  std::size_t arrived = std::min(step, stream.size());
  for (;;) {
    // Exactly as much memory as has arrived, so that a sanitizer sees any byte read beyond it.
    const std::size_t size = arrived - begin;
    const auto pending = std::make_unique<char[]>(size);
    std::memcpy(pending.get(), stream.data() + begin, size);
    switch (parser.parse({pending.get(), size}, limits)) {
      case RequestStatus::kComplete:
        if (parser.size() == 0 || parser.size() > size) std::abort();
        if (stream[begin] == '*' && parser.args().size() > limits.max_arguments) std::abort();
        for (const std::string_view arg : parser.args()) seen.emplace_back(arg);
        seen.emplace_back("/");
        begin += parser.size();
        break;
      case RequestStatus::kIncomplete:
        if (arrived == stream.size()) return seen;
        arrived += std::min(step, stream.size() - arrived);
        break;
      case RequestStatus::kError:
        seen.emplace_back(parser.error());
        return seen;
      case RequestStatus::kForeign:
        seen.emplace_back("foreign");
        return seen;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  RequestLimits limits;
  limits.authenticated = (data[0] & 1) != 0;
  limits.max_bulk = 1024;
  limits.max_arguments = 64;
  limits.max_inline = 256;
  const std::size_t step = data[1] % 16 + 1;
  const std::string_view stream(reinterpret_cast<const char*>(data + 2), size - 2);
  if (run(stream, limits, stream.size() + 1) != run(stream, limits, step)) std::abort();
  return 0;
}
