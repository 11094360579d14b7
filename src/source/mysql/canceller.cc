#include "source/mysql/canceller.h"

#include <fmt/format.h>
#include <mysql.h>

#include <chrono>
#include <deque>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "source/mysql/handle.h"

namespace forebay::source::mysql {
namespace {

constexpr std::size_t kWaitingMax = 256;
constexpr std::chrono::seconds kPatience{1};
constexpr unsigned kSeconds = 2;  // for each step of a request

// Why it could not be sent doesn't matter: the caller has its answer, and the statement its limit.
void kill_query(const Address& address, std::uint64_t session) {
  const HandlePtr handle = make_handle(address, kSeconds);
  if (handle == nullptr) return;
  mysql_options(handle.get(), MYSQL_OPT_READ_TIMEOUT, &kSeconds);
  mysql_options(handle.get(), MYSQL_OPT_WRITE_TIMEOUT, &kSeconds);
  if (!connect(handle.get(), address)) return;
  const std::string sql = fmt::format("KILL QUERY {}", session);
  static_cast<void>(mysql_real_query(handle.get(), sql.data(), sql.size()));
}

}  // namespace

// Shared with the thread, which outlives the Canceller if the server holds it.
struct Canceller::State {
  explicit State(const Address& where) : address(where) {}

  const Address address;
  Mutex mutex;
  Condition changed;
  std::deque<std::uint64_t> waiting GUARDED_BY(mutex);
  bool started GUARDED_BY(mutex) = false;
  bool stopping GUARDED_BY(mutex) = false;
  bool ended GUARDED_BY(mutex) = false;

  void work() {
    while (true) {
      std::uint64_t session = 0;
      {
        MutexLock lock(mutex);
        changed.wait(mutex, [this]() NO_THREAD_SAFETY_ANALYSIS { return stopping || !waiting.empty(); });
        if (waiting.empty()) {
          ended = true;
          changed.notify_all();
          return;
        }
        session = waiting.front();
        waiting.pop_front();
      }
      kill_query(address, session);
    }
  }
};

Canceller::Canceller(const Address& address) : state_(std::make_shared<State>(address)) {}

Canceller::~Canceller() {
  MutexLock lock(state_->mutex);
  if (!state_->started) return;
  state_->stopping = true;
  state_->waiting.clear();
  state_->changed.notify_all();
  // Not longer: a thread that a hung server holds can't be called back. It touches nothing but the state that
  // it shares, and ends with its own limits or with the process.
  const auto patience = std::chrono::steady_clock::now() + kPatience;
  state_->changed.wait_until(state_->mutex, patience,
                             [this]() NO_THREAD_SAFETY_ANALYSIS { return state_->ended; });
}

void Canceller::cancel(std::uint64_t session) {
  MutexLock lock(state_->mutex);
  if (state_->waiting.size() >= kWaitingMax) return;
  state_->waiting.push_back(session);
  if (!state_->started) {
    state_->started = true;
    std::thread([state = state_] { state->work(); }).detach();
  }
  state_->changed.notify_all();
}

}  // namespace forebay::source::mysql
