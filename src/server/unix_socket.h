#pragma once

// The Unix socket that a server listens on: a file that is there as long as the server takes clients.

#include <cstdint>
#include <memory>
#include <string>

#include "forebay/result.h"
#include "server/listen.h"

namespace forebay::server {

class UnixSocket {
 public:
  // Makes the file with these permissions, and listens. A socket that nobody listens on any more, as a server leaves
  // behind that was killed, is replaced. Fails (kConfig) where somebody does, where the file is no socket, or where the
  // system refuses.
  static Result<std::unique_ptr<UnixSocket>> open(const std::string& path, unsigned mode);
  // Removes the file, unless another one has taken its place.
  ~UnixSocket();
  UnixSocket(const UnixSocket&) = delete;
  UnixSocket& operator=(const UnixSocket&) = delete;

  // The listening socket once more.
  Result<Descriptor> copy() const;

 private:
  UnixSocket(Descriptor listener, std::string path);

  Descriptor listener_;
  const std::string path_;
  std::uint64_t device_ = 0;  // which file it is
  std::uint64_t inode_ = 0;
};

}  // namespace forebay::server
