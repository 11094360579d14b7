#pragma once

// A layer that follows a real MariaDB's binary log.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "forebay/layer.h"
#include "support/eventually.h"
#include "support/mariadb_server.h"

namespace forebay::test {

inline std::vector<std::string> with_log(std::vector<std::string> more = {}) {
  std::vector<std::string> settings = {"--log-bin=binlog", "--binlog-format=ROW", "--server-id=1",
                                       "--sync-binlog=1"};
  settings.insert(settings.end(), more.begin(), more.end());
  return settings;
}

class FollowedLayer : public testing::Test {
 protected:
  // One server for all tests of the program that need no other.
  static MariadbServer& shared_server() {
    static MariadbServer server(with_log());
    return server;
  }

  explicit FollowedLayer(MariadbServer& server = shared_server()) : server_(&server) {}

  std::string sql(const std::string& text) { return server_->exec(text); }

  void open(std::string_view spaces, std::string_view more = "") {
    layer_.reset();
    std::string toml = "[source.db]\nkind = \"mysql\"\nurl = \"" + server_->url() + "\"\nfeed = \"binlog\"\n";
    toml += "timeout = \"20s\"\n";
    toml += more;
    toml += spaces;
    auto opened = Layer::open(toml);
    ASSERT_TRUE(opened) << opened.error().message;
    layer_ = std::move(*opened);
    ASSERT_TRUE(eventually([this] { return feed().heard && feed().lag_seconds < 5; })) << health();
  }

  std::string get(std::string_view key) {
    auto answer = layer_->get(key);
    if (!answer) return answer.error().message;
    return answer->value ? std::string(answer->value->view()) : "(none)";
  }
  std::string fact(std::string_view key, std::string_view name) {
    for (const auto& [fact, value] : layer_->explain(key).facts) {
      if (fact == name) return value;
    }
    return "";
  }
  bool cached(std::string_view key) { return fact(key, "state") == "fresh"; }
  // A change may just be settling: until then what is read is not kept.
  bool becomes_cached(std::string_view key) {
    return eventually([&] { return get(key), cached(key); });
  }
  FeedStats feed() { return layer_->stats().feeds.at(0); }
  std::string health() {
    std::string text;
    for (const std::string& line : layer_->stats().health) text += line + "\n";
    return text;
  }
  // All that was committed up to now has been heard of, and settled.
  bool caught_up() {
    const auto since = std::chrono::steady_clock::now();
    return eventually([&] {
      const std::chrono::duration<double> ago = std::chrono::steady_clock::now() - since;
      return feed().lag_seconds < ago.count() && feed().unsettled == 0;
    });
  }

  MariadbServer* server_;
  std::unique_ptr<Layer> layer_;
};

}  // namespace forebay::test
