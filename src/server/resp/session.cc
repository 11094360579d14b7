#include "server/resp/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "server/pubsub/subscriptions.h"
#include "server/tracking/tracking.h"

namespace forebay::server {

Session::Session(Origin origin, ConnectionControl& control, access::UserRef user, bool authenticated)
    : origin_(std::move(origin)),
      control_(control),
      authenticated_(authenticated),
      last_active_(origin_.connected_at) {
  become(std::move(user));
}

Session::~Session() = default;

void Session::track(std::unique_ptr<Tracking> tracking) {
  tracking_ = std::move(tracking);
  show_tracking();
}

void Session::show_tracking() {
  const bool on = tracking_ != nullptr;
  redirect_.store(on ? static_cast<std::int64_t>(tracking_->options().redirect) : -1,
                  std::memory_order_relaxed);
  broadcasts_.store(on && tracking_->options().mode == Tracking::Mode::kBroadcast, std::memory_order_relaxed);
  broken_.store(on && tracking_->broken(), std::memory_order_relaxed);
}

void Session::wait(std::shared_ptr<Waiter> waiter) {
  waiter_ = std::move(waiter);
  waits_.store(true, std::memory_order_relaxed);
}

std::shared_ptr<Waiter> Session::waited() {
  waits_.store(false, std::memory_order_relaxed);
  return std::exchange(waiter_, nullptr);
}

bool Session::subscribed() const {
  return control_.subscriptions().any();
}

void Session::become(access::UserRef user) {
  user_ = std::move(user);
  restricted_ = !user_->unrestricted();
  const MutexLock lock(texts_);
  user_name_ = user_->name();
}

std::string Session::user_name() const {
  const MutexLock lock(texts_);
  return user_name_;
}

std::string Session::name() const {
  const MutexLock lock(texts_);
  return name_;
}

void Session::set_name(std::string_view name) {
  const MutexLock lock(texts_);
  name_ = name;
}

void Session::set_library(std::string_view name) {
  const MutexLock lock(texts_);
  library_ = name;
}

void Session::set_library_version(std::string_view version) {
  const MutexLock lock(texts_);
  library_version_ = version;
}

void Session::reset(access::UserRef user, bool authenticated) {
  transaction_.reset();
  subscriptions().clear();
  track(nullptr);
  watch(nullptr);
  set_reply_mode(ReplyMode::kOn);
  set_protocol(resp::Protocol::kResp2);
  set_no_touch(false);
  set_no_evict(false);
  set_name({});
  set_authenticated(authenticated);
  become(std::move(user));
  select(0);
}

std::string Session::describe(Instant now) const {
  const auto seconds = [now](Instant since) {
    return std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(now - since).count());
  };
  std::string flags;
  const Subscriptions& subscriptions = control_.subscriptions();
  if (subscriptions.any()) flags += 'P';
  const std::int64_t redirect = redirect_.load(std::memory_order_relaxed);
  if (waits()) flags += 'b';
  if (redirect >= 0) flags += 't';
  if (broken_.load(std::memory_order_relaxed)) flags += 'R';
  if (broadcasts_.load(std::memory_order_relaxed)) flags += 'B';
  if (no_evict_.load(std::memory_order_relaxed)) flags += 'e';
  if (no_touch()) flags += 'T';
  if (flags.empty()) flags = "N";
  const Command* last = last_command_.load(std::memory_order_relaxed);
  const std::size_t unparsed = unparsed_.load(std::memory_order_relaxed);
  const std::size_t output = output_.load(std::memory_order_relaxed);
  const MutexLock lock(texts_);
  return fmt::format(
      "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} multi=-1 "
      "qbuf={} "
      "qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem={} tot-mem={} events=r cmd={} "
      "user={} "
      "redir={} resp={} lib-name={} lib-ver={}",
      origin_.id, origin_.address, origin_.local_address, origin_.descriptor, name_,
      seconds(origin_.connected_at), seconds(last_active()), flags, database(),
      subscriptions.count(Topic::kChannel), subscriptions.count(Topic::kPattern),
      subscriptions.count(Topic::kShard), unparsed, output, unparsed + output,
      last == nullptr ? std::string_view("NULL") : last->name, user_name_, redirect,
      static_cast<int>(protocol()), library_, library_version_);
}

}  // namespace forebay::server
