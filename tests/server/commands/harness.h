#pragma once

// Runs commands without sockets: a layer, a session, and what the connection does around a handler.

#include <gtest/gtest.h>

#include <condition_variable>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/model.h"
#include "forebay/layer.h"
#include "layer/open.h"
#include "server/databases.h"
#include "server/pubsub/broker.h"
#include "server/pubsub/subscriptions.h"
#include "server/resp/commands/command.h"
#include "server/resp/commands/key_names.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/subcommand.h"
#include "server/resp/commands/transactions.h"
#include "server/resp/session.h"
#include "server/server.h"
#include "server/tracking/tracked_client.h"
#include "support/manual_time.h"

namespace forebay::server {

// A deferred reply that the test waits for.
class WaitedSlot final : public ReplySlot {
 public:
  void complete(Fill write, std::size_t /*bytes*/) override {
    std::lock_guard lock(mutex_);
    write_ = std::move(write);
    // With the lock held: the waiter may drop its reference as soon as it sees the reply.
    done_.notify_one();
  }
  Fill wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return write_.has_value(); });
    return std::move(*write_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  std::optional<Fill> write_;
};

class IdleControl final : public ConnectionControl {
 public:
  void close_after_replies() override {}
  void in_effect() override { ++in_effects; }
  void hold_reply(std::uint64_t ticket) override { held = ticket; }
  explicit IdleControl(Server& server) : outlet_(server.broker(), std::make_shared<Mailbox>([] {})) {}

  Subscriptions& subscriptions() override { return subscriptions_; }
  std::shared_ptr<TrackedClient> tracked() override {
    return std::make_shared<TrackedClient>(1, outlet_.mailbox(), [](Invalidation&&) {});
  }
  Monitors::Sink line_sink() override {
    return [](const Monitors::Line&) {};
  }
  std::shared_ptr<Mailbox> mailbox() override { return nullptr; }
  void run_after(Duration, Task) override {}
  void set_timer(Duration, Task) override {}
  void cancel_timer() override {}
  void on_inner(const Command&, bool) override {}
  void post(Task task) override { posted.push_back(std::move(task)); }
  void retry() override { throw std::logic_error("nobody else runs a script"); }
  std::shared_ptr<void> keep() override { return nullptr; }

  std::vector<Task> posted;
  int in_effects = 0;
  std::uint64_t held = 0;

 private:
  // Nothing is delivered here.
  class Nobody final : public PushTarget {
   public:
    resp::Protocol push_protocol() const override { return resp::Protocol::kResp2; }
    void push(const resp::Output&) override {}
  };
  Nobody nobody_;
  Outlet outlet_;
  Subscriptions subscriptions_{outlet_, nobody_};
};

// One client. Replies are the wire's bytes with `|` for each line end but the last, which is left out.
class Client {
 public:
  Client(Layer& layer, Server& server, resp::Protocol protocol = resp::Protocol::kResp2)
      : layer_(layer),
        server_(server),
        control_(server),
        session_(origin(), control_, server.users().default_user(), true) {
    session_.set_protocol(protocol);
  }

  template <class... Args>
  std::string operator()(const Args&... args) {
    return run({std::string_view(args)...});
  }

  std::string run(const std::vector<std::string_view>& args) {
    std::string out;
    resp::Writer reply(out, session_.protocol());
    std::vector<std::shared_ptr<WaitedSlot>> deferred;
    const int in_effects = control_.in_effects;
    control_.held = 0;
    Context context{args, layer_, server_, session_, reply, layer_.clock().now(), [&] {
                      deferred.push_back(std::make_shared<WaitedSlot>());
                      return std::shared_ptr<ReplySlot>(deferred.back());
                    }};
    const Command* command = find_command(args[0]);
    KeyNames names;
    const unsigned place = server_.databases().place_of(session_.database_of_next());
    if (place != 0 && command != nullptr) context.args = names.at_place(place, *command, args);
    if (command == nullptr) {
      session_.transaction().poison();
      return "unknown command";
    }
    if (!arity_fits(command->arity, args.size())) {
      session_.transaction().poison();
      reply_wrong_arity(reply, command->name);
    } else if (!queue_if_open(context, *command)) {
      command->handler(context);
    }
    layer_.dispatch();
    while (!control_.posted.empty()) {
      for (Task& task : std::exchange(control_.posted, {})) task();
    }
    EXPECT_LE(deferred.size(), 1u);
    EXPECT_EQ(out.empty(), !deferred.empty()) << "a command answers at once or later, not both";
    for (const auto& slot : deferred) slot->wait()(reply);
    last_was_deferred_ = !deferred.empty();
    last_was_in_effect_ = control_.in_effects > in_effects;
    return in_one_line(out);
  }

  // Whether the last command was answered at once, with a reply that must not leave before its write is kept.
  bool last_was_held() const { return control_.held != 0; }
  bool last_was_deferred() const { return last_was_deferred_; }
  // Whether the last command's deferred reply held nobody up.
  bool last_was_in_effect() const { return last_was_in_effect_; }

 private:
  static Session::Origin origin() {
    Session::Origin origin;
    origin.id = 1;
    return origin;
  }
  static std::string in_one_line(std::string_view wire) {
    std::string text;
    while (!wire.empty()) {
      const std::size_t end = wire.find("\r\n");
      text.append(wire.substr(0, end));
      wire.remove_prefix(end == std::string_view::npos ? wire.size() : end + 2);
      if (!wire.empty()) text.push_back('|');
    }
    return text;
  }

  Layer& layer_;
  Server& server_;
  IdleControl control_;
  Session session_;
  bool last_was_deferred_ = false;
  bool last_was_in_effect_ = false;
};

// A server whose commands are run without sockets.
inline std::unique_ptr<Server> open_server(Layer& layer, config::Server options = {}) {
  options.resp.clear();
  options.http.clear();
  auto server = Server::open(options, layer);
  if (!server) throw std::runtime_error(server.error().message);
  return std::move(*server);
}

// Plain keys, and time that the test moves.
class PlainKeys : public testing::Test {
 protected:
  PlainKeys() { reopen({}); }

  void reopen(const config::Model& model) {
    server_.reset();
    layer_.reset();
    Environment environment;
    environment.clock = &clock_;
    environment.scheduler = &scheduler_;
    auto layer = layer::open_layer(model, std::move(environment));
    if (!layer) throw std::runtime_error(layer.error().message);
    layer_ = std::move(*layer);
    server_ = open_server(*layer_, model.server);
    client_.emplace(*layer_, *server_);
  }

  template <class... Args>
  std::string run(const Args&... args) {
    return (*client_)(args...);
  }
  // The same from a client that speaks RESP3.
  template <class... Args>
  std::string run3(const Args&... args) {
    Client client(*layer_, *server_, resp::Protocol::kResp3);
    return client(args...);
  }

  test::ManualClock clock_;
  test::ManualScheduler scheduler_{clock_};
  std::unique_ptr<Layer> layer_;
  std::unique_ptr<Server> server_;
  std::optional<Client> client_;
};

}  // namespace forebay::server
