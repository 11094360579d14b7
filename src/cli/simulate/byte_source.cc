#include "cli/simulate/byte_source.h"

#include <fmt/format.h>
#include <zstd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

namespace forebay::cli::simulate {
namespace {

class FileBytes final : public ByteSource {
 public:
  FileBytes(std::FILE* file, std::string name) : file_(file), name_(std::move(name)) {}

  Result<std::size_t> read(std::span<char> room) override {
    const std::size_t count = std::fread(room.data(), 1, room.size(), file_.get());
    if (count == 0 && std::ferror(file_.get()) != 0) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("{}: byte {}: {}", name_, consumed_, std::strerror(errno))};
    }
    consumed_ += count;
    return count;
  }
  std::uint64_t consumed() const override { return consumed_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
  std::string name_;
  std::uint64_t consumed_ = 0;
};

class ZstdBytes final : public ByteSource {
 public:
  ZstdBytes(std::unique_ptr<ByteSource> compressed, std::string name)
      : compressed_(std::move(compressed)),
        name_(std::move(name)),
        stream_(ZSTD_createDStream()),
        input_(ZSTD_DStreamInSize()) {}

  Result<std::size_t> read(std::span<char> room) override {
    ZSTD_outBuffer out{room.data(), room.size(), 0};
    while (out.pos == 0) {
      if (in_.pos == in_.size) {
        // Output that did not fit into the last room is still inside; it comes without new input.
        if (!filled_) {
          const auto more = compressed_->read(input_);
          if (!more) return more.error();
          if (*more == 0) return at_end();
          in_ = {input_.data(), *more, 0};
          started_ = true;
        }
      }
      const std::size_t left = ZSTD_decompressStream(stream_.get(), &out, &in_);
      if (ZSTD_isError(left) != 0) return error(ZSTD_getErrorName(left));
      inside_frame_ = left != 0;
      filled_ = inside_frame_ && out.pos == out.size;  // at a frame's end nothing is left inside
    }
    return out.pos;
  }
  std::uint64_t consumed() const override { return compressed_->consumed(); }

 private:
  Result<std::size_t> at_end() const {
    if (!started_) return error("an empty file is no zstd frame");
    if (inside_frame_) return error("the file ends within a zstd frame");
    return 0;
  }
  Error error(std::string_view what) const {
    const std::uint64_t at = compressed_->consumed() - (in_.size - in_.pos);
    return {ErrorCode::kInvalidArgument, fmt::format("{}: zstd, byte {}: {}", name_, at, what)};
  }

  struct Free {
    void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
  };
  std::unique_ptr<ByteSource> compressed_;
  std::string name_;
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  std::vector<char> input_;
  ZSTD_inBuffer in_{nullptr, 0, 0};
  bool started_ = false;
  bool filled_ = false;  // the last room was filled to its end: more output may be waiting
  bool inside_frame_ = false;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_file_bytes(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  if (file == nullptr)
    return Error{ErrorCode::kInvalidArgument, fmt::format("{}: {}", path, std::strerror(errno))};
  return std::make_unique<FileBytes>(file, path);
}

std::unique_ptr<ByteSource> decompressed(std::unique_ptr<ByteSource> compressed, std::string name) {
  return std::make_unique<ZstdBytes>(std::move(compressed), std::move(name));
}

}  // namespace forebay::cli::simulate
