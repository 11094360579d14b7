#pragma once

// Request traces: which keys were asked for, in their order.
//
// The ending of the file's name says how it is written, `.zst` after it that it is compressed:
//
//   NAME.keys   one record a request: key u64
//   NAME.kst    key u64, size u64 (the value's bytes), timestamp u64 (not used: its unit differs between
//               traces)
//   any other   text, one key a line
//
// Records are little-endian, without header or padding. A key that is a number is the 8 bytes of its record.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/simulate/byte_source.h"
#include "forebay/result.h"

namespace forebay::cli::simulate {

enum class TraceFormat : std::uint8_t { kKeys, kKeySizeTime, kText };

inline constexpr std::size_t kLongestTextKey = 65'536;  // bytes

struct TraceFile {
  explicit TraceFile(std::string path);

  std::string path;
  std::string name;  // the file's name without folder and endings
  TraceFormat format = TraceFormat::kText;
  bool compressed = false;
};

struct Request {
  std::string_view key;
  std::uint64_t size = 0;  // of the value; 0 where the format has none
};

// Reads a trace from its beginning to its end in bounded memory (some 400 KiB). Not thread-safe. Messages of
// errors name file and line, or file and byte of the decompressed trace.
class TraceReader {
 public:
  static Result<TraceReader> open(const TraceFile& file);
  // `bytes` are those of the trace, decompressed; `name` begins every message.
  TraceReader(std::unique_ptr<ByteSource> bytes, TraceFormat format, std::string name);

  // The next requests; none: the end. They are valid until the next call.
  Result<std::span<const Request>> next();

  // How much of the file has been consumed, in its own (compressed) bytes.
  std::uint64_t consumed() const { return bytes_->consumed(); }

 private:
  Result<void> refill();
  void take_records(std::size_t bytes);
  Result<void> take_lines();
  Error error_in_line(std::string_view what) const;

  std::unique_ptr<ByteSource> bytes_;
  TraceFormat format_;
  std::string name_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // of what buffer_ holds and no request was made of yet
  bool at_end_ = false;
  std::uint64_t taken_ = 0;  // bytes or lines that became requests
  std::vector<Request> requests_;
};

}  // namespace forebay::cli::simulate
