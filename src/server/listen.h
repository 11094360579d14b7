#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "forebay/result.h"

struct sockaddr_storage;

namespace forebay::server {

struct HostPort;

// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const { return descriptor_; }
  bool is_open() const { return descriptor_ >= 0; }
  int release() { return std::exchange(descriptor_, -1); }
  void reset();

 private:
  int descriptor_ = -1;
};

// Whether several listeners of this process share the port; the kernel then spreads new connections over
// them.
enum class Port : bool { kOwn, kShared };

// A non-blocking TCP socket that listens. Errors (kConfig) name the setting `server.<front>`.
Result<Descriptor> listen_on(const HostPort& address, Port port, std::string_view front);
// The port it was bound to.
std::uint16_t port_of(const Descriptor& listener);

// An address's numeric host, and host:port as Redis writes it (IPv6 in brackets).
struct AddressText {
  std::string host;
  std::string host_port;
};
AddressText text_of(const sockaddr_storage& address);

}  // namespace forebay::server
