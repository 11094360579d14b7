#include "server/tls/tls.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "server/log.h"

namespace forebay::server {
namespace {

// What OpenSSL says of the last failure on this thread; it keeps no more of it then.
std::string last_error() {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown error" : reason;
}

Error wrong(std::string_view setting, std::string_view value, std::string_view why) {
  return Error{ErrorCode::kConfig, fmt::format("server.tls.{} = \"{}\": {}", setting, value, why)};
}

using ContextOwner = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

Result<void> load_identity(SSL_CTX& context, const config::Tls& options) {
  if (SSL_CTX_use_certificate_chain_file(&context, options.certificate.c_str()) != 1)
    return wrong("certificate", options.certificate, last_error());
  if (SSL_CTX_use_PrivateKey_file(&context, options.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return wrong("key", options.key, last_error());
  if (SSL_CTX_check_private_key(&context) != 1) return wrong("key", options.key, last_error());
  return {};
}

Result<void> load_client_ca(SSL_CTX& context, const config::Tls& options) {
  if (options.client_auth == config::ClientAuth::kNo) return {};
  if (SSL_CTX_load_verify_locations(&context, options.client_ca.c_str(), nullptr) != 1)
    return wrong("client_ca", options.client_ca, last_error());
  // Told to clients, which choose a certificate by it.
  STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(options.client_ca.c_str());
  if (names == nullptr) return wrong("client_ca", options.client_ca, last_error());
  SSL_CTX_set_client_CA_list(&context, names);
  const bool required = options.client_auth == config::ClientAuth::kRequired;
  SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  return {};
}

Result<void> choose_ciphers(SSL_CTX& context, const config::Tls& options) {
  SSL_CTX_set_min_proto_version(&context, options.only_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  if (!options.ciphers.empty() && SSL_CTX_set_cipher_list(&context, options.ciphers.c_str()) != 1)
    return wrong("ciphers", options.ciphers, last_error());
  if (!options.ciphersuites.empty() &&
      SSL_CTX_set_ciphersuites(&context, options.ciphersuites.c_str()) != 1) {
    return wrong("ciphersuites", options.ciphersuites, last_error());
  }
  return {};
}

void set_modes(SSL_CTX& context) {
  // Buffers move between two tries, and what did not go at once is counted by bytes.
  SSL_CTX_set_mode(&context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
  // A client may close without a word: requests say themselves where they end. Renegotiation is a way to make a server
  // work, and compression tells lengths.
  SSL_CTX_set_options(&context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION |
                                    SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Sessions are resumed, those with client certificates as well.
  constexpr std::string_view kName = "forebay";
  SSL_CTX_set_session_id_context(&context, reinterpret_cast<const unsigned char*>(kName.data()),
                                 static_cast<unsigned>(kName.size()));
}

Result<ContextOwner> make_context(const config::Tls& options) {
  ERR_clear_error();
  ContextOwner context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (context == nullptr) return Error{ErrorCode::kInternal, "server.tls: " + last_error()};
  set_modes(*context);
  if (auto done = choose_ciphers(*context, options); !done) return done.error();
  if (auto done = load_identity(*context, options); !done) return done.error();
  if (auto done = load_client_ca(*context, options); !done) return done.error();
  return context;
}

// OpenSSL's own sockets raise SIGPIPE when the peer has gone, which would end a program that does not ignore it.
struct Wire {
  int socket;
  bool ended = false;
};
Wire& wire_of(BIO* bio) {
  return *static_cast<Wire*>(BIO_get_data(bio));
}
bool comes_later(ssize_t count) {
  return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

int wire_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent = ::send(wire_of(bio).socket, data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (comes_later(sent)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int wire_read(BIO* bio, char* room, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t count = ::recv(wire_of(bio).socket, room, static_cast<std::size_t>(size), 0);
  if (comes_later(count)) BIO_set_retry_read(bio);
  if (count == 0) wire_of(bio).ended = true;
  return static_cast<int>(count);
}

long wire_control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
  if (command == BIO_CTRL_EOF) return wire_of(bio).ended ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

int wire_destroy(BIO* bio) {
  delete static_cast<Wire*>(BIO_get_data(bio));
  BIO_set_data(bio, nullptr);
  return 1;
}

const BIO_METHOD* wire_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "forebay");
    if (made == nullptr) return made;
    BIO_meth_set_write(made, wire_write);
    BIO_meth_set_read(made, wire_read);
    BIO_meth_set_ctrl(made, wire_control);
    BIO_meth_set_destroy(made, wire_destroy);
    return made;
  }();
  return method;
}

BIO* new_wire(int socket) {
  const BIO_METHOD* const method = wire_method();
  BIO* const bio = method == nullptr ? nullptr : BIO_new(method);
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, new Wire{socket});
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace

TlsStream::~TlsStream() {
  SSL_free(stream_);
}

std::ptrdiff_t TlsStream::receive(std::span<char> room) {
  ERR_clear_error();
  std::size_t count = 0;
  const int read = SSL_read_ex(stream_, room.data(), room.size(), &count);
  ready_ = ready_ || SSL_is_init_finished(stream_) == 1;
  if (read == 1) return static_cast<std::ptrdiff_t>(count);
  const int system_error = errno;
  switch (SSL_get_error(stream_, read)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      errno = EAGAIN;
      return -1;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    case SSL_ERROR_SYSCALL:
      broken_ = true;
      errno = system_error == 0 || system_error == EAGAIN ? ECONNRESET : system_error;
      return -1;
    default:
      broken_ = true;
      failure_ = last_error();
      errno = EPROTO;
      return -1;
  }
}

std::ptrdiff_t TlsStream::send(std::span<const iovec> parts) {
  // A record for each small part would cost more than copying them together.
  constexpr std::size_t kRecord = std::size_t{16} << 10;
  std::array<char, kRecord> together;
  std::size_t size = 0;
  for (const iovec& part : parts) {
    const std::size_t piece = std::min(part.iov_len, kRecord - size);
    std::memcpy(together.data() + size, part.iov_base, piece);
    size += piece;
    if (size == kRecord) break;
  }
  ERR_clear_error();
  std::size_t sent = 0;
  const int wrote = SSL_write_ex(stream_, together.data(), size, &sent);
  if (wrote == 1) return static_cast<std::ptrdiff_t>(sent);
  const int error = SSL_get_error(stream_, wrote);
  const bool waits = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
  if (!waits) broken_ = true;
  ERR_clear_error();
  errno = waits ? EAGAIN : ECONNRESET;
  return -1;
}

void TlsStream::log_failure(std::string_view address) const {
  if (failure_.empty()) return;
  static LogLimit limit;
  log_warning(limit, fmt::format("resp: closed client {}: TLS: {}", address, failure_));
}

void TlsStream::say_goodbye() {
  if (!ready_ || broken_) return;
  SSL_shutdown(stream_);
  ERR_clear_error();
}

Result<std::unique_ptr<TlsContext>> TlsContext::open(const config::Tls& options) {
  auto context = make_context(options);
  if (!context) return context.error();
  return std::unique_ptr<TlsContext>(new TlsContext(context->release()));
}

TlsContext::~TlsContext() {
  const MutexLock lock(mutex_);
  SSL_CTX_free(context_);
}

Result<void> TlsContext::reload(const config::Tls& options) {
  auto context = make_context(options);
  if (!context) return context.error();
  const MutexLock lock(mutex_);
  SSL_CTX_free(std::exchange(context_, context->release()));
  return {};
}

std::unique_ptr<TlsStream> TlsContext::accept(int socket) {
  ERR_clear_error();
  const MutexLock lock(mutex_);
  SSL* const stream = SSL_new(context_);
  if (stream == nullptr) return nullptr;
  std::unique_ptr<TlsStream> result(new TlsStream(stream));
  BIO* const wire = new_wire(socket);
  if (wire == nullptr) return nullptr;
  SSL_set_bio(stream, wire, wire);
  SSL_set_accept_state(stream);
  return result;
}

}  // namespace forebay::server
