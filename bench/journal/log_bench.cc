// What the journal's file costs: appends of increments, in windows, of which two are under way. Processor
// time is the kernel's and the program's, of the thread that appends and of the journal's.
//
//   log_bench [appends] [window] [folder]     (1000000, 1000 and the folder for temporary files)

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "journal/effect.h"
#include "journal/log.h"

namespace forebay::journal {
namespace {

double seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void run(int appends, int window, const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / fmt::format("forebay-log-bench-{}", getpid());
  const auto remove = [&] {
    for (const char* ending : {"", "-wal", "-shm"}) std::filesystem::remove(file.string() + ending);
  };
  remove();
  {
    auto opened = Log::open({.path = file.string()});
    if (!opened) std::abort();
    Log& log = *opened->log;
    Effect effect;
    effect.sums.push_back({"n", "1", false});
    const std::string payload = encode(effect);
    std::vector<std::string> keys;
    for (int i = 0; i < 1000; ++i) keys.push_back(fmt::format("views:{:08}", i));
    double here = seconds(CLOCK_THREAD_CPUTIME_ID);
    double both = seconds(CLOCK_PROCESS_CPUTIME_ID);
    double wall = seconds(CLOCK_MONOTONIC);
    std::uint64_t seq = 0;
    std::future<void> before;
    for (int i = 0; i < appends; i += window) {
      for (int j = i; j < std::min(i + window, appends); ++j) {
        const auto at = static_cast<std::size_t>(j);
        auto appended =
            log.append({static_cast<std::uint32_t>(at % 4), "db", "views", keys[at % 1000], payload},
                       Durability::kFsync);
        if (!appended) std::abort();
        seq = *appended;
      }
      auto done = std::make_shared<std::promise<void>>();
      log.when_committed(seq, seq, [done](const Result<void>& kept) {
        if (!kept) std::abort();
        done->set_value();
      });
      // One window is appended while the one before is committed.
      if (before.valid()) before.wait();
      before = done->get_future();
      if (i % (10 * window) == 0)
        log.trim(seq - std::min(seq, 2 * static_cast<std::uint64_t>(window)), {{"db", 0, 1}});
    }
    before.wait();
    here = seconds(CLOCK_THREAD_CPUTIME_ID) - here;
    both = seconds(CLOCK_PROCESS_CPUTIME_ID) - both;
    wall = seconds(CLOCK_MONOTONIC) - wall;
    const auto us = [&](double took) { return took * 1e6 / appends; };
    fmt::print("{} appends, windows of {}; us of each:\n", appends, window);
    fmt::print(
        "  processor {:.3f}   (the appending thread {:.3f}, the journal's {:.3f})\n  elapsed   {:.3f}\n",
        us(both), us(here), us(both - here), us(wall));
  }
  remove();
}

}  // namespace
}  // namespace forebay::journal

int main(int argc, char** argv) {
  const auto argument = [&](int at, int otherwise) { return argc > at ? std::atoi(argv[at]) : otherwise; };
  forebay::journal::run(argument(1, 1'000'000), argument(2, 1000),
                        argc > 3 ? argv[3] : std::filesystem::temp_directory_path());
  return 0;
}
