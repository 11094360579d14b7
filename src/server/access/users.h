#pragma once

// All users of a server. Thread-safe.
//
// A session keeps the user that it was given and asks again when generation() has changed, which costs a load for each
// batch of requests. What a change of a user means for those that are connected as it, its caller sees to
// (ClientRegistry::look_at_users()).

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "config/model.h"
#include "forebay/result.h"
#include "server/access/user.h"

namespace forebay::server::access {

using UserRef = std::shared_ptr<const User>;

class Users {
 public:
  // There is only `default`, who is not restricted.
  Users();

  // The users of a configuration, and its password as the default user's. Those are set anew; those of the
  // configuration that was taken over before and are not in this one any more are removed; others stay. Fails
  // (kConfig), and changes nothing, where a rule is wrong.
  Result<void> take_over(const config::Server& options);

  // Null: there is none of that name.
  UserRef find(std::string_view name) const;
  UserRef default_user() const { return find(kDefaultUser); }  // never null
  // Makes or changes a user; where a rule is wrong, nothing.
  std::optional<WrongRule> change(std::string_view name, std::span<const std::string_view> rules);
  // False: there is none of that name, or it is `default`, who stays.
  bool remove(std::string_view name);
  // By name.
  std::vector<UserRef> all() const;

  // Whether the password is right, and the user on. Null: not.
  UserRef log_in(std::string_view name, std::string_view password) const;
  // Whether whoever connects is `default` at once. Relaxed, as the next: each stands alone.
  bool open_to_all() const { return open_to_all_.load(std::memory_order_relaxed); }
  // Whether any user that is on needs no password.
  bool some_need_no_password() const { return some_need_no_password_.load(std::memory_order_relaxed); }

  // Another number after each change. Acquire, as changes release: who has seen it finds the users of then.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  using ByName = std::map<std::string, UserRef, std::less<>>;
  void publish(ByName users) REQUIRES(mutex_);

  mutable Mutex mutex_;
  ByName users_ GUARDED_BY(mutex_);
  std::vector<std::string> configured_ GUARDED_BY(mutex_);  // names that a configuration has given
  std::atomic<std::uint64_t> generation_{1};
  std::atomic<bool> open_to_all_{true};            // relaxed
  std::atomic<bool> some_need_no_password_{true};  // relaxed
};

// What is wrong with the rules of a configuration's user, and at which byte of the text it stands. Nothing of a
// password is in what is told. For config::ReadOptions.
std::optional<config::WrongRules> check_rules(std::string_view name, std::string_view rules);
// Whether `default` lets everybody in under this configuration, whose rules are right.
bool lets_everybody_in(const config::Server& options);

}  // namespace forebay::server::access
