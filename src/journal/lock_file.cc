#include "journal/lock_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

#include "journal/crc32c.h"

namespace forebay::journal {

Result<std::unique_ptr<LockFile>> LockFile::take(const std::string& journal) {
  const std::string path = journal + "-lock";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  std::unique_ptr<LockFile> lock(new LockFile(file));
  if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0) return lock;
  const int code = errno;
  return Error{
      ErrorCode::kConfig,
      code == EWOULDBLOCK
          ? fmt::format("journal {}: another process holds it; a journal serves one at a time", journal)
          : fmt::format("journal {}: locking {}: {}", journal, path, std::system_category().message(code))};
}

void LockFile::mark(const std::string& id, std::uint64_t synced) {
  const std::string text = fmt::format("{} {:020}", id, synced);
  const std::string line = fmt::format("{} {:08x}\n", text, crc32c(text));
  static_cast<void>(!pwrite(file_, line.data(), line.size(), 0));
}

std::uint64_t LockFile::marked(const std::string& id) const {
  std::string line(id.size() + 31, '\0');
  if (pread(file_, line.data(), line.size(), 0) != static_cast<ssize_t>(line.size())) return 0;
  const std::string text = line.substr(0, id.size() + 21);
  if (!text.starts_with(id + " ") || line != fmt::format("{} {:08x}\n", text, crc32c(text))) return 0;
  std::uint64_t synced = 0;
  std::from_chars(text.data() + id.size() + 1, text.data() + text.size(), synced);
  return synced;
}

bool LockFile::marked() const {
  std::string line(256, '\0');
  const ssize_t got = pread(file_, line.data(), line.size(), 0);
  const std::string_view text = std::string_view(line).substr(0, got > 0 ? static_cast<std::size_t>(got) : 0);
  const std::size_t blank = text.find(' ');
  return blank != std::string_view::npos && marked(std::string(text.substr(0, blank))) > 0;
}

LockFile::~LockFile() {
  if (file_ >= 0) close(file_);
}

}  // namespace forebay::journal
