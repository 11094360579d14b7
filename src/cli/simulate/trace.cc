#include "cli/simulate/trace.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <filesystem>
#include <utility>

namespace forebay::cli::simulate {
namespace {

constexpr std::size_t kBuffer = std::size_t{128} << 10;
static_assert(kBuffer > kLongestTextKey);
static_assert(std::endian::native == std::endian::little, "records are read as they lie");

std::size_t record_bytes(TraceFormat format) {
  return format == TraceFormat::kKeys ? 8 : 24;
}

bool strip(std::string& text, std::string_view ending) {
  if (text.size() <= ending.size() || !text.ends_with(ending)) return false;
  text.resize(text.size() - ending.size());
  return true;
}

}  // namespace

TraceFile::TraceFile(std::string file) : path(std::move(file)) {
  name = std::filesystem::path(path).filename().string();
  compressed = strip(name, ".zst");
  if (strip(name, ".keys")) {
    format = TraceFormat::kKeys;
  } else if (strip(name, ".kst")) {
    format = TraceFormat::kKeySizeTime;
  } else if (const std::size_t dot = name.rfind('.'); dot != std::string::npos && dot != 0) {
    name.resize(dot);
  }
}

Result<TraceReader> TraceReader::open(const TraceFile& file) {
  auto bytes = open_file_bytes(file.path);
  if (!bytes) return bytes.error();
  if (file.compressed) *bytes = decompressed(std::move(*bytes), file.path);
  return TraceReader(std::move(*bytes), file.format, file.path);
}

TraceReader::TraceReader(std::unique_ptr<ByteSource> bytes, TraceFormat format, std::string name)
    : bytes_(std::move(bytes)), format_(format), name_(std::move(name)), buffer_(kBuffer) {}

Result<std::span<const Request>> TraceReader::next() {
  requests_.clear();
  while (requests_.empty() && !(at_end_ && begin_ == end_)) {
    if (auto more = refill(); !more) return more.error();
    if (format_ == TraceFormat::kText) {
      if (auto taken = take_lines(); !taken) return taken.error();
      continue;
    }
    const std::size_t size = record_bytes(format_);
    take_records(size);
    if (at_end_ && begin_ != end_) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("{}: byte {}: the trace ends within a record: {} of {} bytes", name_, taken_,
                               end_ - begin_, size)};
    }
  }
  return std::span<const Request>(requests_);
}

Result<void> TraceReader::refill() {
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  while (!at_end_ && end_ < buffer_.size()) {
    const auto count = bytes_->read({buffer_.data() + end_, buffer_.size() - end_});
    if (!count) return count.error();
    at_end_ = *count == 0;
    end_ += *count;
  }
  return {};
}

void TraceReader::take_records(std::size_t bytes) {
  for (; end_ - begin_ >= bytes; begin_ += bytes, taken_ += bytes) {
    const char* const record = buffer_.data() + begin_;
    Request request{{record, sizeof(std::uint64_t)}};
    if (format_ == TraceFormat::kKeySizeTime) std::memcpy(&request.size, record + 8, sizeof(request.size));
    requests_.push_back(request);
  }
}

Result<void> TraceReader::take_lines() {
  while (begin_ != end_) {
    const std::string_view rest(buffer_.data() + begin_, end_ - begin_);
    const std::size_t length = rest.find('\n');
    if (length == std::string_view::npos && rest.size() <= kLongestTextKey && !at_end_) return {};
    const std::string_view line = rest.substr(0, length);
    if (line.empty()) return error_in_line("an empty line is no key");
    if (line.size() > kLongestTextKey)
      return error_in_line(fmt::format("a key longer than {} bytes", kLongestTextKey));
    requests_.push_back({line});
    ++taken_;
    begin_ += line.size() + (length == std::string_view::npos ? 0 : 1);
  }
  return {};
}

Error TraceReader::error_in_line(std::string_view what) const {
  return {ErrorCode::kInvalidArgument, fmt::format("{}:{}: {}", name_, taken_ + 1, what)};
}

}  // namespace forebay::cli::simulate
