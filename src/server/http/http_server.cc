#include "server/http/http_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <list>
#include <optional>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "forebay/layer.h"
#include "server/admission.h"
#include "server/http/dead_letters.h"
#include "server/http/endpoints.h"
#include "server/listen.h"
#include "server/log.h"
#include "server/server.h"

namespace forebay::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds kTimeout{10};  // of one request, and of a connection between two
constexpr std::size_t kMaxConnections = 256;
constexpr std::uint32_t kMaxHeader = 8 * 1024;
constexpr std::uint64_t kMaxBody = 1024 * 1024;
constexpr std::chrono::seconds kAnswerTimeout{30};  // of what a database has to be asked for
constexpr std::chrono::milliseconds kAcceptPause{100};

// To the server's thread, for as long as there is one.
struct Link {
  Mutex mutex;
  asio::io_context* io GUARDED_BY(mutex) = nullptr;

  template <class Task>
  void post(Task task) {
    MutexLock lock(mutex);
    if (io != nullptr) asio::post(*io, std::move(task));
  }
};

class Client;
using Clients = std::list<Client*>;  // those that began to wait for a request longest ago come first

class Client : public std::enable_shared_from_this<Client> {
 public:
  Client(tcp::socket socket, Server& server, Clients& clients, std::shared_ptr<Link> link)
      : stream_(std::move(socket)),
        timer_(stream_.get_executor()),
        server_(server),
        link_(std::move(link)),
        clients_(clients),
        place_(clients_.insert(clients_.end(), this)) {}
  ~Client() { leave(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void read() {
    if (closed_) return;
    reading_ = true;
    clients_.splice(clients_.end(), clients_, place_);
    parser_.emplace();
    parser_->header_limit(kMaxHeader);
    parser_->body_limit(kMaxBody);
    stream_.expires_after(kTimeout);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](error_code error, std::size_t) { self->on_read(error); });
  }

  // Whether its request is not complete, or has not begun.
  bool reading() const { return reading_; }

  // No longer one of the clients; goes once what it waits for has been told.
  void close() {
    leave();
    stream_.close();
    timer_.cancel();
  }

 private:
  void leave() {
    if (!std::exchange(closed_, true)) clients_.erase(place_);
  }

  void on_read(error_code error) {
    reading_ = false;
    const bool speaks_http = error.category() == error_code(http::error::bad_method).category();
    if (error == http::error::end_of_stream) return close();
    if (error && !speaks_http) return close();  // timeout, reset: nobody listens
    response_ = {};
    if (error) {
      const bool large = error == http::error::header_limit || error == http::error::body_limit;
      answer({large ? 413u : 400u, "text/plain; charset=utf-8", "bad request: " + error.message() + "\n"},
             false);
      return;
    }
    const auto& request = parser_->get();
    head_ = request.method() == http::verb::head;
    const auto view = [](beast::string_view text) { return std::string_view(text.data(), text.size()); };
    const HttpRequest asked{view(request.method_string()), view(request.target()), request.body(),
                            view(request[http::field::authorization]),
                            request.find(http::field::origin) != request.end()};
    if (!admits_host(server_, asked.target, request.find(http::field::host) != request.end(),
                     view(request[http::field::host]))) {
      return answer({403, "text/plain; charset=utf-8",
                     "this name is not in server.http_hosts, and there is no password\n"},
                    request.keep_alive());
    }
    if (needs_password(server_, asked.target) && !has_password(server_, asked.target, asked.authorization))
      return refuse(request.keep_alive(), !asked.authorization.empty());
    if (!is_dead_letters(asked.target))
      return answer(answer_http(server_, asked.method, asked.target), request.keep_alive());
    answer_later(kAnswerTimeout,
                 {503, "text/plain; charset=utf-8", "the database has not answered in time\n"},
                 request.keep_alive());
    answer_dead_letters(server_, asked,
                        [link = link_, weak = weak_from_this(), turn = turn_](HttpAnswer found) mutable {
                          link->post([weak, turn, found = std::move(found)]() mutable {
                            if (const auto self = weak.lock()) self->on_answer(turn, std::move(found));
                          });
                        });
  }

  // A wrong password is told late, so that guessing is slow.
  void refuse(bool keep_alive, bool with_credentials) {
    error_code ignored;
    const auto peer = stream_.socket().remote_endpoint(ignored);
    const std::string address = peer.address().to_string();
    if (with_credentials) log_refused_password("http", fmt::format("{}:{}", address, peer.port()));
    const Duration delay =
        server_.auth_throttle().on_failure(address_group(address), server_.layer().clock().now());
    answer_later(delay, {401, "text/plain; charset=utf-8", "the server's password is needed\n"}, keep_alive);
  }

  // Unless on_answer() comes before.
  void answer_later(Duration delay, HttpAnswer late, bool keep_alive) {
    keep_alive_ = keep_alive;
    stream_.expires_never();
    timer_.expires_after(delay);
    timer_.async_wait(
        [self = shared_from_this(), turn = turn_, late = std::move(late)](error_code error) mutable {
          if (!error) self->on_answer(turn, std::move(late));
        });
  }

  void on_answer(std::uint64_t turn, HttpAnswer found) {
    if (closed_ || turn != turn_) return;
    ++turn_;
    timer_.cancel();
    answer(std::move(found), keep_alive_);
  }

  void answer(HttpAnswer answer, bool keep_alive) {
    response_.version(11);
    response_.result(answer.status);
    response_.set(http::field::server, "forebay");
    response_.set(http::field::content_type,
                  beast::string_view(answer.content_type.data(), answer.content_type.size()));
    response_.set(http::field::cache_control, "no-store");
    if (answer.status == 401) response_.set(http::field::www_authenticate, "Basic realm=\"forebay\"");
    response_.keep_alive(keep_alive);
    response_.content_length(answer.body.size());
    if (!head_) response_.body() = std::move(answer.body);
    stream_.expires_after(kTimeout);
    serializer_.emplace(response_);
    serializer_->split(head_);
    const auto done = [self = shared_from_this(), keep_alive](error_code error, std::size_t) {
      if (error || !keep_alive) {
        error_code ignored;
        self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
        return self->close();
      }
      self->read();
    };
    if (head_) {
      http::async_write_header(stream_, *serializer_, done);
    } else {
      http::async_write(stream_, *serializer_, done);
    }
  }

  beast::tcp_stream stream_;
  asio::steady_timer timer_;
  Server& server_;
  const std::shared_ptr<Link> link_;
  Clients& clients_;
  const Clients::iterator place_;  // until closed_
  beast::flat_buffer buffer_{kMaxHeader + kMaxBody};
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  std::optional<http::response_serializer<http::string_body>> serializer_;
  std::uint64_t turn_ = 0;  // which answer is awaited
  bool keep_alive_ = false;
  bool head_ = false;
  bool reading_ = false;
  bool closed_ = false;
};

}  // namespace

struct HttpServer::Impl {
  explicit Impl(Server& borrowed) : server(borrowed) {
    MutexLock lock(link->mutex);
    link->io = &io;
  }
  ~Impl() { unlink(); }

  void unlink() {
    MutexLock lock(link->mutex);
    link->io = nullptr;
  }

  Server& server;
  const std::shared_ptr<Link> link = std::make_shared<Link>();
  Clients clients;  // before io, whose destruction ends the last of them
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  asio::steady_timer pause{io};
  std::uint16_t port = 0;
  std::thread thread;

  void accept() {
    acceptor.async_accept([this](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (error) {
        static LogLimit limit;
        log_warning(limit, fmt::format("http: can't accept clients: {}; trying again", error.message()));
        pause.expires_after(kAcceptPause);
        pause.async_wait([this](error_code waited) {
          if (!waited) accept();
        });
        return;
      }
      if (clients.size() >= kMaxConnections) make_room();
      std::make_shared<Client>(std::move(socket), server, clients, link)->read();
      accept();
    });
  }

  // Closes who has let the server wait longest for a request; if nobody does, who takes its answer longest.
  // So connections that say nothing can't keep a scrape out.
  void make_room() {
    const auto reading =
        std::find_if(clients.begin(), clients.end(), [](const Client* client) { return client->reading(); });
    (reading != clients.end() ? *reading : clients.front())->close();
  }
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  stop();
}

Result<std::unique_ptr<HttpServer>> HttpServer::open(const HostPort& address, Server& server) {
  auto impl = std::make_unique<Impl>(server);
  Result<Descriptor> listener = listen_on(address, Port::kOwn, "http");
  if (!listener) return listener.error();
  impl->port = port_of(*listener);
  error_code error;
  impl->acceptor.assign(address.host.find(':') == std::string::npos ? tcp::v4() : tcp::v6(), listener->get(),
                        error);
  if (error) return Error{ErrorCode::kInternal, "server.http: " + error.message()};
  listener->release();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

void HttpServer::start() {
  impl_->thread = std::thread([impl = impl_.get()] {
    impl->accept();
    impl->io.run();
  });
}

void HttpServer::stop() {
  if (!impl_->thread.joinable()) return;
  asio::post(impl_->io, [impl = impl_.get()] {
    error_code ignored;
    impl->acceptor.close(ignored);
    impl->pause.cancel();
    const Clients open = impl->clients;
    for (Client* client : open) client->close();
  });
  impl_->thread.join();
  impl_->unlink();
}

std::uint16_t HttpServer::port() const {
  return impl_->port;
}

}  // namespace forebay::server
