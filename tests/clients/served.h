#pragma once

// A server with a database behind it, for clients that know nothing of either.

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "config/model.h"
#include "forebay/layer.h"
#include "layer/open.h"
#include "server/server.h"
#include "support/temp_dir.h"

namespace forebay {

class Served : public testing::Test {
 protected:
  Served() {
    config::Model model;
    config::Source catalog;
    catalog.name = "catalog";
    catalog.kind = "sqlite";
    catalog.path = make_database();
    model.sources = {catalog};
    auto packages = table("pkg", "packages");
    auto views = table("views", "views");
    views.kind = ValueKind::kCounter;
    views.value_column = "views";
    model.namespaces = {packages, views};
    auto layer = layer::open_layer(model);
    if (!layer) throw std::runtime_error(layer.error().message);
    layer_ = std::move(*layer);

    config::Server fronts;
    fronts.resp = "127.0.0.1:0";
    fronts.http.clear();
    fronts.threads = 2;
    auto server = server::Server::open(fronts, *layer_);
    if (!server) throw std::runtime_error(server.error().message);
    server_ = std::move(*server);
    server_->start();
  }
  ~Served() override {
    server_->stop();
    server_.reset();
    layer_.reset();
  }

  int port() const { return server_->resp_port(); }
  std::string port_text() const { return std::to_string(port()); }

 private:
  static config::Namespace table(const std::string& name, const std::string& table) {
    config::Namespace space;
    space.name = name;
    space.key = {name + ":{name}", {name + ":", ""}, {"name"}};
    space.source = "catalog";
    space.table = table;
    space.write = config::WriteStrategy::kThrough;
    space.ttl = std::chrono::minutes(1);
    return space;
  }

  std::string make_database() {
    const std::string path = (folder_ / "catalog.db").string();
    sqlite3* database = nullptr;
    const char* schema =
        "CREATE TABLE packages (name TEXT PRIMARY KEY, version TEXT NOT NULL, size INTEGER, note TEXT);"
        "INSERT INTO packages VALUES ('curl', '8.1', 300, NULL), ('wget', '1.21', 900, 'old');"
        "CREATE TABLE views (name TEXT PRIMARY KEY, views INTEGER NOT NULL DEFAULT 0);"
        "INSERT INTO views VALUES ('curl', 7);";
    if (sqlite3_open(path.c_str(), &database) != SQLITE_OK ||
        sqlite3_exec(database, schema, nullptr, nullptr, nullptr) != SQLITE_OK) {
      throw std::runtime_error(sqlite3_errmsg(database));
    }
    sqlite3_close(database);
    return path;
  }

  test::TempDir folder_;
  std::unique_ptr<Layer> layer_;
  std::unique_ptr<server::Server> server_;
};

}  // namespace forebay
