#pragma once

// std::mutex with the annotations that clang's thread-safety analysis needs (libstdc++'s own carries none).

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define FOREBAY_ANNOTATE(x) __attribute__((x))
#else
#define FOREBAY_ANNOTATE(x)
#endif

#define GUARDED_BY(x) FOREBAY_ANNOTATE(guarded_by(x))
#define REQUIRES(...) FOREBAY_ANNOTATE(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) FOREBAY_ANNOTATE(locks_excluded(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS FOREBAY_ANNOTATE(no_thread_safety_analysis)

namespace forebay {

class FOREBAY_ANNOTATE(capability("mutex")) Mutex {
 public:
  void lock() FOREBAY_ANNOTATE(acquire_capability()) { mutex_.lock(); }
  void unlock() FOREBAY_ANNOTATE(release_capability()) { mutex_.unlock(); }
  bool try_lock() FOREBAY_ANNOTATE(try_acquire_capability(true)) { return mutex_.try_lock(); }
  std::mutex& native() { return mutex_; }

 private:
  std::mutex mutex_;
};

class FOREBAY_ANNOTATE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) FOREBAY_ANNOTATE(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() FOREBAY_ANNOTATE(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// A condition to wait for with a Mutex held; the Mutex is released while waiting.
class Condition {
 public:
  template <class Predicate>
  void wait(Mutex& mutex, Predicate done) REQUIRES(mutex) NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock<std::mutex> lock(mutex.native(), std::adopt_lock);
    condition_.wait(lock, std::move(done));
    lock.release();
  }
  template <class TimePoint, class Predicate>
  bool wait_until(Mutex& mutex, TimePoint until, Predicate done) REQUIRES(mutex) NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock<std::mutex> lock(mutex.native(), std::adopt_lock);
    const bool result = condition_.wait_until(lock, until, std::move(done));
    lock.release();
    return result;
  }
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace forebay
