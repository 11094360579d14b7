#include "server/unix_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace forebay::server {
namespace {

Error failed(const std::string& path, std::string_view why) {
  return Error{ErrorCode::kConfig, fmt::format("server.unix_socket {}: {}", path, why)};
}
Error failed_because(const std::string& path, std::string_view step) {
  return failed(path, fmt::format("{}: {}", step, std::strerror(errno)));
}

Descriptor new_socket() {
  return Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// Takes away what a server that was killed has left. Fails where the file is anything else.
Result<void> make_room(const std::string& path, const sockaddr_un& address) {
  struct stat file{};
  if (::lstat(path.c_str(), &file) != 0) {
    if (errno == ENOENT) return {};
    return failed_because(path, "can't be looked at");
  }
  if (!S_ISSOCK(file.st_mode)) return failed(path, "there is a file that is no socket");
  const Descriptor probe = new_socket();
  if (!probe.is_open()) return failed_because(path, "can't open a socket");
  const int connected = ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (connected == 0 || errno != ECONNREFUSED) return failed(path, "another server listens on it");
  if (::unlink(path.c_str()) != 0) return failed_because(path, "an old socket can't be removed");
  return {};
}

}  // namespace

UnixSocket::UnixSocket(Descriptor listener, std::string path)
    : listener_(std::move(listener)), path_(std::move(path)) {
  struct stat file{};
  if (::lstat(path_.c_str(), &file) != 0) return;
  device_ = file.st_dev;
  inode_ = file.st_ino;
}

UnixSocket::~UnixSocket() {
  struct stat file{};
  const bool same = ::lstat(path_.c_str(), &file) == 0 && file.st_dev == device_ && file.st_ino == inode_;
  if (same) ::unlink(path_.c_str());
}

Result<std::unique_ptr<UnixSocket>> UnixSocket::open(const std::string& path, unsigned mode) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return failed(path, fmt::format("a path has at most {} bytes", sizeof address.sun_path - 1));
  std::memcpy(address.sun_path, path.data(), path.size());
  if (auto room = make_room(path, address); !room) return room.error();
  Descriptor listener = new_socket();
  if (!listener.is_open()) return failed_because(path, "can't open a socket");
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failed_because(path, "can't bind");
  std::unique_ptr<UnixSocket> socket(new UnixSocket(std::move(listener), path));
  // Nobody can connect before it listens, so that there is no moment with wider permissions.
  if (::chmod(path.c_str(), mode) != 0) return failed_because(path, "can't set its permissions");
  if (::listen(socket->listener_.get(), SOMAXCONN) != 0) return failed_because(path, "can't listen");
  return socket;
}

Result<Descriptor> UnixSocket::copy() const {
  Descriptor copy(::fcntl(listener_.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.is_open()) return failed_because(path_, "can't share the socket");
  return copy;
}

}  // namespace forebay::server
