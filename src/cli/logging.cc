#include "cli/logging.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>
#include <utility>

namespace forebay::cli {

void set_up_logging(const config::Log& log) {
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>("forebay", std::move(sink));
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
  // What is worth a line is worth having when the process dies next.
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  set_log_level(log);
}

void set_log_level(const config::Log& log) {
  // The configuration's names are the library's, which also takes "error" for its "err".
  spdlog::set_level(spdlog::level::from_str(log.level));
}

void log_info(std::string_view text) {
  spdlog::info("{}", text);
}

void log_warning(std::string_view text) {
  spdlog::warn("{}", text);
}

void log_error_lines(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    spdlog::error("{}", text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace forebay::cli
