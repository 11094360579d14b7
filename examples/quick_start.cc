#include <forebay/cache.h>

#include <cstdio>
#include <string>

struct User {
  int id;
  std::string name;
};

int main() {
  forebay::CacheOptions options;
  options.ttl = std::chrono::minutes(5);
  options.stale_while_revalidate = std::chrono::seconds(30);

  auto users =
      forebay::Cache<int, User>::open(options, [](const int& id) -> forebay::Result<std::optional<User>> {
        return User{id, "user " + std::to_string(id)};  // your query; nothing: there is no such user
      });
  if (!users) return 1;

  auto user = (*users)->get(42);  // loaded once, however many threads ask
  if (!user || !*user) return 1;
  std::printf("%s\n", (*user)->name.c_str());
}
