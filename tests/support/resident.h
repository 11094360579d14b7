#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <memory>

namespace forebay::test {

// A sanitizer's shadow and quarantine are resident, too, so that bounds on memory say nothing under one.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kResidentIsOurs = false;
#else
inline constexpr bool kResidentIsOurs = true;
#endif

// Of this process.
inline std::size_t resident_bytes() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/self/statm", "re"),
                                                             std::fclose);
  unsigned long total = 0;
  unsigned long resident = 0;
  if (!file || std::fscanf(file.get(), "%lu %lu", &total, &resident) != 2) return 0;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace forebay::test
