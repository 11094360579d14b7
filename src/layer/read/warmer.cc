#include "layer/read/warmer.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/mutex.h"

namespace forebay::layer {
namespace {

constexpr std::size_t kStep = 500;  // keys under way at once for one job

}  // namespace

struct Warmer::Job {
  std::vector<std::string> keys;
  std::size_t next = 0;
  Done done;
  Mutex mutex;
  std::size_t open GUARDED_BY(mutex) = 0;
  std::size_t loaded GUARDED_BY(mutex) = 0;
  std::optional<Error> error GUARDED_BY(mutex);
};

void Warmer::warm(std::vector<std::string> keys, Done done) {
  for (const std::string& key : keys) {
    if (!route_(key).info.read_through) {
      return done(Error{ErrorCode::kUnsupported,
                        fmt::format("key '{}' belongs to no namespace that reads through", key)});
    }
  }
  auto job = std::make_shared<Job>();
  job->keys = std::move(keys);
  job->done = std::move(done);
  next_step(std::move(job));
}

void Warmer::next_step(std::shared_ptr<Job> job) {
  const std::size_t end = std::min(job->keys.size(), job->next + kStep);
  const std::size_t begin = std::exchange(job->next, end);
  {
    MutexLock lock(job->mutex);
    // One more for this function, so that the step can't end before all its keys are under way.
    job->open = end - begin + 1;
  }
  const auto finish = [this, job](Result<Answer> answer) {
    Result<std::size_t> result = std::size_t{0};
    {
      MutexLock lock(job->mutex);
      if (!answer) {
        job->error = std::move(answer).error();
      } else if (answer->result == ReadResult::kMiss) {
        ++job->loaded;
      }
      if (--job->open > 0) return;
      if (job->error) {
        result = *job->error;
      } else {
        result = job->loaded;
      }
    }
    if (!result || job->next == job->keys.size()) return job->done(std::move(result));
    next_step(job);
  };
  for (std::size_t i = begin; i < end; ++i) {
    const std::string& key = job->keys[i];
    loads_.warm(KeyRef(route_(key), key), finish);
  }
  loads_.dispatch();
  Answer none;
  none.result = ReadResult::kHit;
  finish(std::move(none));
}

}  // namespace forebay::layer
