#include "source/mysql/handle.h"

#include <ctime>
#include <mutex>

namespace forebay::source::mysql {
namespace {

// What the protocol allows. How much an answer may be is for the reader to say, who can tell why it stops.
constexpr unsigned long kPacketMax = 1UL << 30;

void set_tls(MYSQL* handle, const Address& address) {
  if (address.ssl == SslMode::kDisabled) return;
  mysql_ssl_set(handle, text_or_null(address.ssl_key), text_or_null(address.ssl_cert),
                text_or_null(address.ssl_ca), nullptr, nullptr);
  // libmariadb checks the certificate's chain and its name together: verify-ca asks for more than it must.
  const my_bool verify = address.ssl >= SslMode::kVerifyCa ? 1 : 0;
  mysql_options(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
}

}  // namespace

WithoutSigpipe::WithoutSigpipe() {
  sigemptyset(&pipe_);
  sigaddset(&pipe_, SIGPIPE);
  sigset_t pending;
  sigpending(&pending);
  was_pending_ = sigismember(&pending, SIGPIPE) == 1;
  pthread_sigmask(SIG_BLOCK, &pipe_, &earlier_);
}

WithoutSigpipe::~WithoutSigpipe() {
  const timespec now{};
  if (!was_pending_) static_cast<void>(sigtimedwait(&pipe_, nullptr, &now));
  pthread_sigmask(SIG_SETMASK, &earlier_, nullptr);
}

void HandleDeleter::operator()(MYSQL* handle) const {
  const WithoutSigpipe quiet;
  mysql_close(handle);
}

HandlePtr make_handle(const Address& address, unsigned connect_seconds) {
  static std::once_flag once;
  std::call_once(once, [] { mysql_server_init(0, nullptr, nullptr); });
  HandlePtr handle(mysql_init(nullptr));
  if (handle == nullptr) return handle;
  mysql_options(handle.get(), MYSQL_OPT_CONNECT_TIMEOUT, &connect_seconds);
  mysql_options(handle.get(), MYSQL_SET_CHARSET_NAME, "utf8mb4");
  // A server could otherwise ask for any file of this machine.
  const unsigned no = 0;
  mysql_options(handle.get(), MYSQL_OPT_LOCAL_INFILE, &no);
  mysql_options(handle.get(), MYSQL_OPT_MAX_ALLOWED_PACKET, &kPacketMax);
  mysql_options4(handle.get(), MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "forebay");
  set_tls(handle.get(), address);
  return handle;
}

const char* text_or_null(const std::string& text) {
  return text.empty() ? nullptr : text.c_str();
}

bool connect(MYSQL* handle, const Address& address) {
  return mysql_real_connect(handle, text_or_null(address.host), address.user.c_str(),
                            address.password.c_str(), address.database.c_str(), address.port,
                            text_or_null(address.socket), 0) != nullptr;
}

}  // namespace forebay::source::mysql
