#pragma once

// TLS over the sockets of the Redis front: what OpenSSL does, in the shape of recv() and send(), so that a connection
// asks once a batch which of them to call and is otherwise the same.

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "config/model.h"
#include "forebay/result.h"

// OpenSSL's types, whose headers only tls.cc needs.
struct ssl_st;
struct ssl_ctx_st;

namespace forebay::server {

// One client's encryption. Used on its loop's thread.
class TlsStream {
 public:
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  // As recv(): 0 at the end, -1 with errno (EAGAIN: nothing is there now; EPROTO: what came is no TLS, or not as the
  // server wants it). Goes on with the handshake as long as that has not ended.
  std::ptrdiff_t receive(std::span<char> room);
  // As sendmsg(), of at most a record's length. After EAGAIN the same bytes have to be given again, and may be followed
  // by more.
  std::ptrdiff_t send(std::span<const iovec> parts);
  // Whether the handshake has ended well.
  bool ready() const { return ready_; }
  // Says why receive() failed last, if there is anything to say.
  void log_failure(std::string_view address) const;
  // Before the socket is closed.
  void say_goodbye();

 private:
  friend class TlsContext;
  explicit TlsStream(ssl_st* stream) : stream_(stream) {}

  ssl_st* const stream_;
  bool ready_ = false;
  bool broken_ = false;  // nothing more may be sent
  std::string failure_;
};

// What the streams of a server have in common. Thread-safe.
class TlsContext {
 public:
  // Reads the files. Fails (kConfig) where one is missing, is none, or the key is not the certificate's.
  static Result<std::unique_ptr<TlsContext>> open(const config::Tls& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // Reads them again, for clients that come from now on. Fails, and changes nothing, as open() does.
  Result<void> reload(const config::Tls& options);
  // Null: there is no memory for it.
  std::unique_ptr<TlsStream> accept(int socket);

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}

  Mutex mutex_;
  ssl_ctx_st* context_ GUARDED_BY(mutex_);
};

}  // namespace forebay::server
