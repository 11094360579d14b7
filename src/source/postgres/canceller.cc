#include "source/postgres/canceller.h"

#include <array>
#include <chrono>
#include <deque>
#include <thread>
#include <utility>

#include "base/mutex.h"

namespace forebay::source::postgres {
namespace {

constexpr std::size_t kWaitingMax = 256;
constexpr std::chrono::seconds kPatience{1};

struct CancelDeleter {
  void operator()(PGcancel* request) const { PQfreeCancel(request); }
};
using Request = std::unique_ptr<PGcancel, CancelDeleter>;

}  // namespace

// Shared with the thread, which outlives the Canceller if the server holds it.
struct Canceller::State {
  Mutex mutex;
  Condition changed;
  std::deque<Request> waiting GUARDED_BY(mutex);
  bool started GUARDED_BY(mutex) = false;
  bool stopping GUARDED_BY(mutex) = false;
  bool ended GUARDED_BY(mutex) = false;

  void work() {
    std::array<char, 256> reason{};
    while (true) {
      Request request;
      {
        MutexLock lock(mutex);
        changed.wait(mutex, [this]() NO_THREAD_SAFETY_ANALYSIS { return stopping || !waiting.empty(); });
        if (waiting.empty()) {
          ended = true;
          changed.notify_all();
          return;
        }
        request = std::move(waiting.front());
        waiting.pop_front();
      }
      // Why it could not be sent doesn't matter: the caller has its answer, and the statement its timeout.
      static_cast<void>(PQcancel(request.get(), reason.data(), static_cast<int>(reason.size())));
    }
  }
};

Canceller::Canceller() : state_(std::make_shared<State>()) {}

Canceller::~Canceller() {
  MutexLock lock(state_->mutex);
  if (!state_->started) return;
  state_->stopping = true;
  state_->waiting.clear();
  state_->changed.notify_all();
  // Not longer: a thread that a hung server holds in PQcancel() can't be called back. It touches nothing but
  // the state that it shares, and ends when the server lets go of it or the process ends.
  const auto patience = std::chrono::steady_clock::now() + kPatience;
  state_->changed.wait_until(state_->mutex, patience,
                             [this]() NO_THREAD_SAFETY_ANALYSIS { return state_->ended; });
}

void Canceller::cancel(PGconn* connection) {
  Request request(PQgetCancel(connection));
  if (request == nullptr) return;
  MutexLock lock(state_->mutex);
  if (state_->waiting.size() >= kWaitingMax) return;
  state_->waiting.push_back(std::move(request));
  if (!state_->started) {
    state_->started = true;
    std::thread([state = state_] { state->work(); }).detach();
  }
  state_->changed.notify_all();
}

}  // namespace forebay::source::postgres
