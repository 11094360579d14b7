#include "journal/page_scan.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "journal/group.h"

namespace forebay::journal {
namespace {

constexpr std::uint64_t kWalHeader = 32;
constexpr std::uint64_t kFrameHeader = 24;
constexpr std::size_t kDefaultPage = 4096;
constexpr std::uint64_t kGroupMost = std::uint64_t{1} << 30;  // bytes; a row of SQLite's takes no more

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes) number = number << 8U | static_cast<unsigned char>(byte);
  return number;
}

// A file that may be missing, or unreadable in places.
class Bytes {
 public:
  explicit Bytes(const std::string& path) : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat there{};
    if (file_ >= 0 && fstat(file_, &there) == 0) size_ = static_cast<std::uint64_t>(there.st_size);
  }
  ~Bytes() {
    if (file_ >= 0) close(file_);
  }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  std::uint64_t size() const { return size_; }
  // Empty: not all of it can be read.
  std::string read(std::uint64_t at, std::size_t count) const {
    std::string bytes;
    if (at > size_ || count > size_ - at) return bytes;
    bytes.resize(count);
    std::size_t done = 0;
    while (done < count) {
      const ssize_t got = pread(file_, bytes.data() + done, count - done, static_cast<off_t>(at + done));
      if (got <= 0) return {};
      done += static_cast<std::size_t>(got);
    }
    return bytes;
  }

 private:
  const int file_;
  std::uint64_t size_ = 0;
};

bool page_size_ok(std::uint64_t size) {
  return size >= 512 && size <= 65536 && (size & (size - 1)) == 0;
}

std::size_t page_size_of(const Bytes& database, const Bytes& wal) {
  const std::string header = database.read(16, 2);
  std::uint64_t size = big_endian(header);
  if (size == 1) size = 65536;
  if (page_size_ok(size)) return size;
  size = big_endian(wal.read(8, 4));
  return page_size_ok(size) ? size : kDefaultPage;
}

// Takes numbers off the front of a piece of a page.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}
  std::optional<std::uint64_t> varint() {
    std::uint64_t number = 0;
    for (int i = 0; i < 9 && at_ < bytes_.size(); ++i) {
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      if (i == 8) return number << 8U | byte;
      number = number << 7U | (byte & 0x7fU);
      if (byte < 0x80U) return number;
    }
    return std::nullopt;
  }
  std::string_view rest() const { return bytes_.substr(at_); }
  std::size_t at() const { return at_; }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

// A record's columns: numbers, and bytes of texts and blobs. Nothing: it is none.
struct Column {
  enum class Kind : std::uint8_t { kNull, kNumber, kBytes } kind = Kind::kNull;
  std::uint64_t number = 0;
  std::string_view bytes;
};
std::optional<std::vector<Column>> columns_of(std::string_view record) {
  constexpr std::array<std::size_t, 10> kSizes = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0};
  Cursor header(record);
  const auto header_size = header.varint();
  if (!header_size || *header_size > record.size()) return std::nullopt;
  std::string_view rest = record.substr(static_cast<std::size_t>(*header_size));
  std::vector<Column> columns;
  while (header.at() < *header_size) {
    const auto type = header.varint();
    if (!type || *type == 10 || *type == 11) return std::nullopt;
    const std::uint64_t size = *type >= 12 ? (*type - 12) / 2 : kSizes[static_cast<std::size_t>(*type)];
    if (size > rest.size()) return std::nullopt;
    Column column;
    const std::string_view bytes = rest.substr(0, static_cast<std::size_t>(size));
    rest.remove_prefix(bytes.size());
    if (*type >= 12) {
      column = {Column::Kind::kBytes, 0, bytes};
    } else if (*type != 0) {
      std::uint64_t number = *type >= 8 ? *type - 8 : big_endian(bytes);
      // Signed, in so many bytes.
      if (size > 0 && size < 8 && (number >> (8 * size - 1)) != 0) number |= ~std::uint64_t{0} << (8 * size);
      column = {Column::Kind::kNumber, number, {}};
    }
    columns.push_back(column);
  }
  return columns;
}

class Scanner {
 public:
  explicit Scanner(const std::string& path)
      : database_(path), wal_(path + "-wal"), size_(page_size_of(database_, wal_)) {
    usable_ = size_;
    const std::string reserved = database_.read(20, 1);
    if (!reserved.empty() && static_cast<unsigned char>(reserved[0]) <= 32)
      usable_ -= static_cast<unsigned char>(reserved[0]);
    frames_ = wal_.size() < kWalHeader ? 0 : (wal_.size() - kWalHeader) / (kFrameHeader + size_);
    const std::string salt = wal_.read(16, 8);
    for (std::uint64_t frame = 0; frame < frames_; ++frame) {
      const std::string header = wal_.read(frame_at(frame), kFrameHeader);
      if (header.empty()) continue;
      const std::uint64_t page = big_endian(std::string_view(header).substr(0, 4));
      any_[page] = frame;
      if (header.substr(8, 8) == salt) current_[page] = frame;
    }
  }

  // Copies of a page in the order of how new they are taken to be: those that this generation of the log
  // holds, what the database holds, all that the log's file holds. An overflow page is looked for in each of
  // these views, as a group's own pages were all written together.
  PageScan scan() {
    for (const View view : {View::kLog, View::kDatabase, View::kAny}) {
      view_ = view;
      for (std::uint64_t frame = frames_; frame-- > 0;) {
        const std::string page = wal_.read(frame_at(frame) + kFrameHeader, size_);
        if (!page.empty()) look(page, big_endian(wal_.read(frame_at(frame), 4)));
      }
      for (std::uint64_t page = 1; page <= database_.size() / size_; ++page)
        look(database_.read((page - 1) * size_, size_), page);
    }
    return std::move(found_);
  }

 private:
  enum class View : std::uint8_t { kLog, kDatabase, kAny };
  using Frames = std::map<std::uint64_t, std::uint64_t>;  // the last of each page

  std::uint64_t frame_at(std::uint64_t frame) const { return kWalHeader + frame * (kFrameHeader + size_); }

  std::string page(std::uint64_t number) const {
    const Frames& frames = view_ == View::kAny ? any_ : current_;
    const auto frame = frames.find(number);
    if (view_ != View::kDatabase && frame != frames.end())
      return wal_.read(frame_at(frame->second) + kFrameHeader, size_);
    return number == 0 ? std::string() : database_.read((number - 1) * size_, size_);
  }

  // A leaf of a table, or of an index for the table meta.
  void look(std::string_view page, std::uint64_t number) {
    const std::size_t begin = number == 1 ? 100 : 0;
    if (page.size() < begin + 8) return;
    const auto type = static_cast<unsigned char>(page[begin]);
    if (type != 0x0d && type != 0x0a) return;
    const std::uint64_t cells = big_endian(page.substr(begin + 3, 2));
    for (std::uint64_t i = 0; i < cells && begin + 8 + 2 * i + 2 <= page.size(); ++i) {
      const auto at =
          static_cast<std::size_t>(big_endian(page.substr(begin + 8 + 2 * static_cast<std::size_t>(i), 2)));
      if (at >= usable_) continue;
      const std::string_view cell = page.substr(at, usable_ - at);
      if (type == 0x0d) {
        group(cell);
      } else {
        meta(cell);
      }
    }
  }

  void group(std::string_view cell) {
    Cursor cursor(cell);
    const auto size = cursor.varint();
    const auto first = cursor.varint();
    // Pages that lead round in circles would fill what is larger than all of them.
    if (!size || !first || *first == 0 || *size > std::min(kGroupMost, database_.size() + wal_.size()) ||
        found_.groups.contains(*first))
      return;
    const std::size_t whole = static_cast<std::size_t>(*size);
    std::size_t local = whole;
    if (whole > usable_ - 35) {
      const std::size_t least = (usable_ - 12) * 32 / 255 - 23;
      local = least + (whole - least) % (usable_ - 4);
      if (local > usable_ - 35) local = least;
    }
    std::string_view rest = cursor.rest();
    if (local > rest.size() || (local < whole && rest.size() < local + 4)) return;
    std::string record(rest.substr(0, local));
    std::uint64_t next = local < whole ? big_endian(rest.substr(local, 4)) : 0;
    while (record.size() < whole) {
      const std::string more = page(next);
      if (more.empty()) return;
      next = big_endian(std::string_view(more).substr(0, 4));
      record.append(more, 4, std::min(whole - record.size(), usable_ - 4));
    }
    const auto columns = columns_of(record);
    using Kind = Column::Kind;
    if (!columns || (columns->size() != 5 && columns->size() != 6)) return;
    const auto& [key, last, crc, wall_ms, bytes] =
        std::tie((*columns)[0], (*columns)[1], (*columns)[2], (*columns)[3], (*columns)[4]);
    if (key.kind != Kind::kNull || last.kind != Kind::kNumber || crc.kind != Kind::kNumber ||
        wall_ms.kind != Kind::kNumber || bytes.kind != Kind::kBytes || last.number < *first)
      return;
    const auto time = static_cast<std::int64_t>(wall_ms.number);
    std::optional<std::uint64_t> synced;
    if (columns->size() == 6 && columns->back().kind == Kind::kNumber) synced = columns->back().number;
    if (checksum(*first, last.number, time, bytes.bytes, synced) != crc.number) return;
    found_.groups.emplace(*first, FoundGroup{last.number, time, std::string(bytes.bytes), synced});
  }

  void meta(std::string_view cell) {
    Cursor cursor(cell);
    const auto size = cursor.varint();
    if (!size || *size > cursor.rest().size()) return;
    const auto columns = columns_of(cursor.rest().substr(0, static_cast<std::size_t>(*size)));
    if (!columns || columns->size() != 2) return;
    const std::string_view name = (*columns)[0].bytes;
    const std::string_view value = (*columns)[1].bytes;
    if (name == "journal_id" && found_.id.empty()) found_.id = value;
    if (name != "trimmed_to") return;
    std::uint64_t number = 0;
    const auto [end, wrong] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (wrong == std::errc() && end == value.data() + value.size()) found_.trimmed.insert(number);
  }

  const Bytes database_;
  const Bytes wal_;
  const std::size_t size_;  // of a page
  std::size_t usable_ = 0;
  std::uint64_t frames_ = 0;
  Frames any_;      // whatever generation
  Frames current_;  // of the log's present one
  View view_ = View::kLog;
  PageScan found_;
};

// The log's running checksum (4.2).
struct Sum {
  std::uint32_t a = 0, b = 0;
  bool operator==(const Sum&) const = default;
  void take(std::string_view bytes, bool big) {
    const auto word = [&](std::size_t at) {
      std::uint32_t number = 0;
      for (unsigned i = 0; i < 4; ++i) {
        const auto byte = static_cast<unsigned char>(bytes[at + (big ? 3 - i : i)]);
        number |= static_cast<std::uint32_t>(byte) << (8 * i);
      }
      return number;
    };
    for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
      a += word(at) + b;
      b += word(at + 4) + a;
    }
  }
};

Sum stored(std::string_view bytes) {
  return {static_cast<std::uint32_t>(big_endian(bytes.substr(0, 4))),
          static_cast<std::uint32_t>(big_endian(bytes.substr(4, 4)))};
}

}  // namespace

PageScan scan_pages(const std::string& path) {
  return Scanner(path).scan();
}

std::optional<std::string> end_of_wal(const std::string& path) {
  const Bytes wal(path + "-wal");
  if (wal.size() == 0) return std::nullopt;
  const std::string header = wal.read(0, kWalHeader);
  const std::string_view view = header;
  const std::uint64_t magic = view.empty() ? 0 : big_endian(view.substr(0, 4));
  const std::uint64_t size = view.empty() ? 0 : big_endian(view.substr(8, 4));
  const bool big = (magic & 1U) != 0;
  Sum sum;
  if (!view.empty()) sum.take(view.substr(0, 24), big);
  if ((magic | 1U) != 0x377f0683 || !page_size_ok(size) || !(sum == stored(view.substr(24))))
    return "nothing of the write-ahead log is read, as its header does not match its checksum";
  const std::string_view salt = view.substr(16, 8);
  std::optional<std::uint64_t> broken;
  std::uint64_t at = kWalHeader;
  for (; at + kFrameHeader + size <= wal.size(); at += kFrameHeader + size) {
    const std::string frame = wal.read(at, static_cast<std::size_t>(kFrameHeader + size));
    const std::string_view bytes = frame;
    const bool mine = bytes.empty() || bytes.substr(8, 8) == salt;
    if (!broken && !bytes.empty()) {
      sum.take(bytes.substr(0, 8), big);
      sum.take(bytes.substr(kFrameHeader), big);
    }
    if (!broken && (bytes.empty() || !mine || !(sum == stored(bytes.substr(16))))) broken = at;
    // What an earlier generation left comes after the end, and is of no account.
    if (broken && mine) {
      return fmt::format(
          "the write-ahead log is read up to its byte {}, where a frame does not match its checksum",
          *broken);
    }
  }
  if (broken || at == wal.size()) return std::nullopt;
  return fmt::format("the write-ahead log ends with a part of a frame, at its byte {}", at);
}

std::optional<std::string> damage_of_wal(const std::string& path) {
  const Bytes wal(path + "-wal");
  const std::string header = wal.read(0, kWalHeader);
  if (header.empty()) return std::nullopt;
  const std::string_view view = header;
  const std::uint64_t magic = big_endian(view.substr(0, 4));
  const std::uint64_t size = big_endian(view.substr(8, 4));
  const bool big = (magic & 1U) != 0;
  Sum sum;
  sum.take(view.substr(0, 24), big);
  if ((magic | 1U) != 0x377f0683 || !page_size_ok(size) || !(sum == stored(view.substr(24)))) {
    return wal.size() <= kWalHeader + kFrameHeader
               ? std::nullopt
               : std::optional<std::string>(
                     "the write-ahead log's header (byte 0) does not match its "
                     "checksum, so that SQLite reads nothing of it");
  }
  std::optional<std::uint64_t> broken;
  std::uint64_t commits = 0;
  std::uint64_t at = kWalHeader;
  for (; at + kFrameHeader + size <= wal.size(); at += kFrameHeader + size) {
    const std::string frame = wal.read(at, static_cast<std::size_t>(kFrameHeader + size));
    bool good = !frame.empty();
    if (good) {
      const std::string_view bytes = frame;
      sum.take(bytes.substr(0, 8), big);
      sum.take(bytes.substr(kFrameHeader), big);
      good = bytes.substr(8, 8) == view.substr(16, 8) && sum == stored(bytes.substr(16));
      sum = stored(bytes.substr(16));
      if (good && broken && big_endian(bytes.substr(4, 4)) != 0) ++commits;
    }
    if (!good && !broken) broken = at;
  }
  if (commits == 0) return std::nullopt;
  return fmt::format(
      "the write-ahead log's frame at byte {} does not match its checksum, so that SQLite reads nothing from "
      "there on; {} commit{} come{} after it",
      *broken, commits, commits == 1 ? "" : "s", commits == 1 ? "s" : "");
}

}  // namespace forebay::journal
