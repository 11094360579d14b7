// Cache-aside: the application keeps the database to itself. It looks into the cache, loads and stores what
// is missing, and drops the cached copy after each of its own writes. Forebay only keeps, expires and evicts.

#include <map>
#include <string>

#include "forebay/layer.h"
#include "show.h"

namespace {

// The application's own data access, with its cache beside it.
class Users {
 public:
  explicit Users(forebay::Layer& cache) : cache_(cache) {}

  std::string name(const std::string& id) {
    const std::string key = "user:" + id;
    const auto cached = show::value_of(cache_.get(key));
    if (cached.value) return show::text(cached);
    ++queries;
    const std::string name = database_[id];
    show::value_of(cache_.set(key, name));
    return name;
  }

  void rename(const std::string& id, const std::string& name) {
    database_[id] = name;
    cache_.drop("user:" + id, cache_.clock().now());
  }

  int queries = 0;

 private:
  forebay::Layer& cache_;
  std::map<std::string, std::string> database_{{"7", "Ada"}};
};

}  // namespace

int main() {
  auto layer = show::value_of(forebay::Layer::open(R"(
[namespace.user]
key    = "user:{id}"
read   = "aside"
write  = "aside"
ttl    = "10m"
jitter = 0.1
)"));
  Users users(*layer);

  std::printf("Reading a user twice:\n");
  show::expect(users.name("7") == "Ada" && users.queries == 1, "the first read asked the database");
  show::expect(users.name("7") == "Ada" && users.queries == 1, "the second did not");
  std::printf("Renaming her:\n");
  users.rename("7", "Ada Lovelace");
  show::expect(users.name("7") == "Ada Lovelace" && users.queries == 2, "the next read sees the new name");
}
