// The two ways in which the demo's clients get their answers (load.h).

#include <memory>
#include <mutex>
#include <utility>

#include "cli/demo/load.h"
#include "cli/resp_client.h"

namespace forebay::cli::demo {
namespace {

constexpr std::string_view kNote = "written by a client of the demo";

Error unexpected(std::string_view command, const std::string& name, const resp::Reply& reply) {
  return {ErrorCode::kInternal, "unexpected answer to " + std::string(command) + " for " + name + ": " +
                                    (reply.text.empty() ? "nothing" : reply.text.substr(0, 200))};
}

bool is_row_of(const std::string& name, const resp::Reply& reply) {
  return reply.kind == resp::ReplyKind::kBulk && reply.text.starts_with('{') &&
         reply.text.find("\"name\":\"" + name + "\"") != std::string::npos;
}

class ForebayBackend final : public Backend {
 public:
  explicit ForebayBackend(RespClient client) : client_(std::move(client)) {}

  Result<void> perform(const Population& population, const Request& request) override {
    const std::string& name = population.names()[request.packages[0]];
    switch (request.kind) {
      case RequestKind::kPackage:
        return check("GET", name, client_.call({"GET", "package:" + name}),
                     [&](const resp::Reply& reply) { return is_row_of(name, reply); });
      case RequestKind::kDependents:
        return check("GET", name, client_.call({"GET", "rdepends:" + name}), [](const resp::Reply& reply) {
          return reply.kind == resp::ReplyKind::kBulk && reply.text.starts_with('[');
        });
      case RequestKind::kPackages:
        return perform_many(population, request);
      case RequestKind::kAbsent: {
        const std::string absent = absent_name(request.packages[0]);
        return check("GET", absent, client_.call({"GET", "package:" + absent}),
                     [](const resp::Reply& reply) { return reply.kind == resp::ReplyKind::kNull; });
      }
      case RequestKind::kWrite:
        return check("HSET", name, client_.call({"HSET", "package:" + name, "note", kNote}), is_integer);
      case RequestKind::kCount:
        return check("INCR", name, client_.call({"INCR", "views:" + name}), is_integer);
    }
    std::unreachable();
  }

 private:
  static bool is_integer(const resp::Reply& reply) { return reply.kind == resp::ReplyKind::kInteger; }

  template <class Expected>
  static Result<void> check(std::string_view command, const std::string& name, Result<resp::Reply> reply,
                            Expected expected) {
    if (!reply) return std::move(reply.error());
    if (!expected(*reply)) return unexpected(command, name, *reply);
    return {};
  }

  Result<void> perform_many(const Population& population, const Request& request) {
    std::vector<std::string> keys;
    for (const std::uint32_t package : request.packages)
      keys.push_back("package:" + population.names()[package]);
    std::vector<std::string_view> arguments{"MGET"};
    arguments.insert(arguments.end(), keys.begin(), keys.end());
    return check("MGET", keys.front(), client_.call(arguments), [&](const resp::Reply& reply) {
      if (reply.children.size() != request.packages.size()) return false;
      for (std::size_t i = 0; i < request.packages.size(); ++i) {
        if (!is_row_of(population.names()[request.packages[i]], reply.children[i])) return false;
      }
      return true;
    });
  }

  RespClient client_;
};

class SqliteBackend final : public Backend {
 public:
  // `writers`: SQLite lets one connection write at a time and the others poll for their turn; a program with
  // many threads does better to queue them.
  explicit SqliteBackend(std::shared_ptr<std::mutex> writers) : writers_(std::move(writers)) {}

  static Result<std::unique_ptr<Backend>> open(const std::string& path, std::shared_ptr<std::mutex> writers) {
    auto database = Database::open(path);
    if (!database) return std::move(database.error());
    auto backend = std::make_unique<SqliteBackend>(std::move(writers));
    backend->database_ = *std::move(database);
    const std::string row(kPackageQuery.substr(0, kPackageQuery.find(" WHERE ")));
    for (const auto& [sql, statement] :
         {std::pair(std::string(kPackageQuery), &backend->package_),
          std::pair(std::string(kReverseDependenciesQuery), &backend->dependents_),
          std::pair(row + " WHERE name IN (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)", &backend->packages_),
          std::pair(std::string("UPDATE packages SET note = ?2, version_no = version_no + 1 WHERE name = ?1"),
                    &backend->write_),
          std::pair(std::string("UPDATE package_views SET views = views + 1 WHERE name = ?1"),
                    &backend->count_)}) {
      auto prepared = backend->database_.prepare(sql);
      if (!prepared) return std::move(prepared.error());
      *statement = *std::move(prepared);
    }
    return std::unique_ptr<Backend>(std::move(backend));
  }

  Result<void> perform(const Population& population, const Request& request) override {
    const auto name = [&](std::size_t i) -> const std::string& {
      return population.names()[request.packages[i]];
    };
    const auto answer = [&]() -> Result<std::optional<std::string>> {
      switch (request.kind) {
        case RequestKind::kPackage:
          return package_.run({name(0)});
        case RequestKind::kDependents:
          return dependents_.run({name(0)});
        case RequestKind::kPackages:
          return packages_.run(
              {name(0), name(1), name(2), name(3), name(4), name(5), name(6), name(7), name(8), name(9)});
        case RequestKind::kAbsent:
          return package_.run({absent_name(request.packages[0])});
        case RequestKind::kWrite:
          return one_at_a_time([&] { return write_.run({name(0), kNote}); });
        case RequestKind::kCount:
          return one_at_a_time([&] { return count_.run({name(0)}); });
      }
      std::unreachable();
    }();
    if (!answer) return answer.error();
    return {};
  }

 private:
  template <class Write>
  Result<std::optional<std::string>> one_at_a_time(Write write) {
    const std::lock_guard lock(*writers_);
    return write();
  }

  std::shared_ptr<std::mutex> writers_;
  Database database_;  // before the statements, which it must outlive
  Statement package_, dependents_, packages_, write_, count_;
};

}  // namespace

OpenBackend forebay_backend(std::uint16_t port) {
  return [port]() -> Result<std::unique_ptr<Backend>> {
    auto client = RespClient::connect("127.0.0.1", port, std::chrono::seconds(30));
    if (!client) return std::move(client.error());
    return std::unique_ptr<Backend>(std::make_unique<ForebayBackend>(*std::move(client)));
  };
}

OpenBackend sqlite_backend(std::string path) {
  return [path = std::move(path), writers = std::make_shared<std::mutex>()] {
    return SqliteBackend::open(path, writers);
  };
}

}  // namespace forebay::cli::demo
