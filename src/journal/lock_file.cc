#include "journal/lock_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

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

LockFile::~LockFile() {
  if (file_ >= 0) close(file_);
}

}  // namespace forebay::journal
