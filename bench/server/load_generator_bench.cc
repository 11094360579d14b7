// A load generator for servers that speak the Redis or the memcached protocol, so that all of them get the
// same load from the same code: a closed loop on one thread, every connection with a fixed number of commands
// on the way, GET and SET 10:1 over keys that all exist. Prints one JSON object; bench/server/run makes a
// table of many.
//
//   load_generator_bench PROTOCOL PORT SERVER_PID CONNECTIONS PIPELINE COMMANDS
//
// Server CPU is user plus system time of all the process's threads, from /proc/PID/stat, over exactly the
// commands that are counted: its resolution is a tick (10 ms), so a run should last for seconds.

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kKeys = 10'000;
constexpr std::size_t kValueBytes = 64;
constexpr std::size_t kGetsForEachSet = 10;

[[noreturn]] void die(const std::string& message) {
  std::fprintf(stderr, "load_generator_bench: %s\n", message.c_str());
  std::exit(1);
}

// What the two protocols differ in.
class Protocol {
 public:
  virtual ~Protocol() = default;
  virtual std::string get(std::string_view key) const = 0;
  virtual std::string set(std::string_view key, std::string_view value) const = 0;
  // Bytes of the first complete reply in `bytes`; 0: not complete. Dies of an error or a miss: what is
  // measured would not be what it says.
  virtual std::size_t reply_size(std::string_view bytes) const = 0;

 protected:
  // Through the end of line `count`; 0: not there.
  static std::size_t through_line(std::string_view bytes, int count = 1) {
    std::size_t end = 0;
    for (; count > 0; --count) {
      end = bytes.find('\n', end);
      if (end == std::string_view::npos) return 0;
      ++end;
    }
    return end;
  }
};

class Redis final : public Protocol {
 public:
  std::string get(std::string_view key) const override { return "*2\r\n$3\r\nGET\r\n" + bulk(key); }
  std::string set(std::string_view key, std::string_view value) const override {
    return "*3\r\n$3\r\nSET\r\n" + bulk(key) + bulk(value);
  }
  std::size_t reply_size(std::string_view bytes) const override {
    const std::size_t head = through_line(bytes);
    if (head == 0) return 0;
    if (bytes.front() == '+') return head;
    std::int64_t length = -1;
    std::from_chars(bytes.data() + 1, bytes.data() + head, length);
    if (bytes.front() != '$' || length < 0) die("unexpected reply: " + std::string(bytes.substr(0, head)));
    const std::size_t size = head + static_cast<std::size_t>(length) + 2;
    return bytes.size() >= size ? size : 0;
  }

 private:
  static std::string bulk(std::string_view text) {
    return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
  }
};

// The meta commands: memcached sends each reply to a classic `get` by itself, but those to pipelined `mg`
// together.
class Memcached final : public Protocol {
 public:
  std::string get(std::string_view key) const override { return "mg " + std::string(key) + " v\r\n"; }
  std::string set(std::string_view key, std::string_view value) const override {
    return "ms " + std::string(key) + " " + std::to_string(value.size()) + "\r\n" + std::string(value) +
           "\r\n";
  }
  std::size_t reply_size(std::string_view bytes) const override {
    const std::size_t head = through_line(bytes);
    if (head == 0) return 0;
    if (bytes.starts_with("HD")) return head;
    // VA and the length, then the value; values have no line ends here.
    if (!bytes.starts_with("VA ")) die("unexpected reply: " + std::string(bytes.substr(0, head)));
    return through_line(bytes, 2);
  }
};

// Every command of the mix, made before the clock runs.
struct Commands {
  std::vector<std::string> gets, sets;

  explicit Commands(const Protocol& protocol) {
    for (std::size_t i = 0; i < kKeys; ++i) {
      char key[32];
      std::snprintf(key, sizeof key, "key:%012zu", i);
      std::string value(kValueBytes, static_cast<char>('a' + i % 26));
      gets.push_back(protocol.get(key));
      sets.push_back(protocol.set(key, value));
    }
  }
};

struct Connection {
  int socket = -1;
  std::string out, in;
  std::size_t expected = 0;  // replies still to come
  SteadyClock::time_point sent;
};

int connect_to(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = ::htons(port);
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    die("cannot connect");
  const int yes = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  ::fcntl(socket, F_SETFL, O_NONBLOCK);
  return socket;
}

double cpu_seconds(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const std::size_t name_end = text.rfind(')');  // the name may hold blanks; what follows does not
  if (name_end == std::string::npos) die("no such server process");
  std::istringstream fields(text.substr(name_end + 2));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

class Load {
 public:
  Load(const Protocol& protocol, const Commands& commands, std::uint16_t port, std::size_t connections,
       std::size_t pipeline)
      : protocol_(protocol), commands_(commands), pipeline_(pipeline), connections_(connections) {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    for (Connection& connection : connections_) {
      connection.socket = connect_to(port);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = &connection;
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.socket, &event);
    }
  }
  ~Load() {
    for (const Connection& connection : connections_) ::close(connection.socket);
    ::close(epoll_);
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Stores every key.
  void fill() {
    Connection& connection = connections_.front();
    for (const std::string& set : commands_.sets) {
      connection.out = set;
      connection.expected = 1;
      send(connection);
      while (connection.expected > 0) wait([](SteadyClock::duration) {});
    }
  }

  // Sends `count` commands and calls on_reply(latency) for each.
  template <class OnReply>
  void run(std::size_t count, OnReply on_reply) {
    to_send_ = count;
    std::size_t answered = 0;
    for (Connection& connection : connections_) next_batch(connection);
    while (answered < count) {
      answered += wait(on_reply);
    }
  }

 private:
  void next_batch(Connection& connection) {
    const std::size_t count = std::min(pipeline_, to_send_);
    if (count == 0) return;
    to_send_ -= count;
    connection.out.clear();
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t key = forebay::system_random().next() % kKeys;
      connection.out += ++issued_ % (kGetsForEachSet + 1) == 0 ? commands_.sets[key] : commands_.gets[key];
    }
    connection.expected = count;
    send(connection);
  }

  // A batch is a few kilobytes and is sent only when the last one was answered, so the socket always has
  // room.
  static void send(Connection& connection) {
    connection.sent = SteadyClock::now();
    const ssize_t count =
        ::send(connection.socket, connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (count != static_cast<ssize_t>(connection.out.size())) die("the server does not take what is sent");
  }

  // Waits for replies and handles all that are there; returns how many.
  template <class OnReply>
  std::size_t wait(OnReply on_reply) {
    std::array<epoll_event, 128> events{};
    const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 10'000);
    if (ready <= 0) die("the server does not answer");
    std::size_t replies = 0;
    for (int i = 0; i < ready; ++i) {
      replies += receive(*static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr), on_reply);
    }
    return replies;
  }

  template <class OnReply>
  std::size_t receive(Connection& connection, OnReply on_reply) {
    std::array<char, 16'384> buffer;
    const ssize_t count = ::recv(connection.socket, buffer.data(), buffer.size(), 0);
    if (count <= 0) die("the server closed a connection");
    std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
    if (!connection.in.empty()) {
      connection.in += bytes;
      bytes = connection.in;
    }
    std::size_t replies = 0;
    const auto now = SteadyClock::now();
    while (const std::size_t size = bytes.empty() ? 0 : protocol_.reply_size(bytes)) {
      if (connection.expected == 0) die("more replies than commands");
      --connection.expected;
      ++replies;
      on_reply(now - connection.sent);
      bytes.remove_prefix(size);
    }
    connection.in = std::string(bytes);
    if (connection.expected == 0) next_batch(connection);
    return replies;
  }

  const Protocol& protocol_;
  const Commands& commands_;
  const std::size_t pipeline_;
  std::vector<Connection> connections_;
  int epoll_ = -1;
  std::size_t to_send_ = 0, issued_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) die("PROTOCOL PORT SERVER_PID CONNECTIONS PIPELINE COMMANDS");
  const auto number = [&](int i) { return static_cast<std::size_t>(std::strtoull(argv[i], nullptr, 10)); };
  std::unique_ptr<Protocol> protocol;
  if (std::string_view(argv[1]) == "redis") protocol = std::make_unique<Redis>();
  if (std::string_view(argv[1]) == "memcached") protocol = std::make_unique<Memcached>();
  if (!protocol) die("PROTOCOL is redis or memcached");
  const int server = static_cast<int>(number(3));
  const std::size_t count = number(6);

  const Commands commands(*protocol);
  Load load(*protocol, commands, static_cast<std::uint16_t>(number(2)), number(4), number(5));
  load.fill();
  load.run(count / 10, [](SteadyClock::duration) {});  // warms up what grows and adapts

  std::vector<std::uint32_t> latencies;  // nanoseconds
  latencies.reserve(count);
  const double cpu_before = cpu_seconds(server);
  const auto begin = SteadyClock::now();
  load.run(count, [&](SteadyClock::duration latency) {
    latencies.push_back(static_cast<std::uint32_t>(std::min<std::int64_t>(latency.count(), UINT32_MAX)));
  });
  const double seconds = std::chrono::duration<double>(SteadyClock::now() - begin).count();
  const double cpu = cpu_seconds(server) - cpu_before;

  std::ranges::sort(latencies);
  const auto quantile = [&](double share) {
    return latencies[static_cast<std::size_t>(share * static_cast<double>(count - 1))] / 1e6;
  };
  std::printf(R"({"ops_per_second": %.0f, "p50_ms": %.4f, "p99_ms": %.4f, "p999_ms": %.4f, "cpu_us": %.4f})"
              "\n",
              static_cast<double>(count) / seconds, quantile(0.5), quantile(0.99), quantile(0.999),
              cpu / static_cast<double>(count) * 1e6);
}
