#pragma once

// Bytes of a trace, one chunk after the other: a file as it is, or through zstd.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "forebay/result.h"

namespace forebay::cli::simulate {

// Not thread-safe. Messages of errors begin with the file's name.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills a part of `room`, at least one byte; 0 at the end. Requires: `room` is not empty.
  virtual Result<std::size_t> read(std::span<char> room) = 0;
  // How much of the file has been consumed, in its own (compressed) bytes.
  virtual std::uint64_t consumed() const = 0;
};

// kInvalidArgument if the file can't be opened.
Result<std::unique_ptr<ByteSource>> open_file_bytes(const std::string& path);

// Decompresses one zstd frame after the other (RFC 8878) with windows of at most 128 MiB, checksums verified.
// What is no frame, is damaged or ends within a frame is an error that names the byte of the compressed
// stream where that was seen.
std::unique_ptr<ByteSource> decompressed(std::unique_ptr<ByteSource> compressed, std::string name);

}  // namespace forebay::cli::simulate
