#include "cli/demo/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace forebay::cli::demo {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::string_view kBold = "\033[1m", kDim = "\033[2m", kGreen = "\033[32m", kRed = "\033[1;31m",
                           kPlain = "\033[0m", kEraseLine = "\r\033[K";

bool understands_control_codes(std::FILE* out) {
  const char* terminal = std::getenv("TERM");
  return ::isatty(::fileno(out)) == 1 && std::getenv("NO_COLOR") == nullptr && terminal != nullptr &&
         std::string_view(terminal) != "dumb";
}

}  // namespace

Console::Console(std::FILE* out) : Console(out, understands_control_codes(out)) {}

void Console::heading(std::string_view text) {
  line("\n" + styled(kBold, text));
}

void Console::line(std::string_view text) {
  this->text(fmt::format("{}\n", text));
}

void Console::text(std::string_view lines) {
  clear_progress();
  fmt::print(out_, "{}", lines);
  std::fflush(out_);
}

void Console::progress(std::string_view text) {
  if (!terminal_) return;
  clear_progress();
  // A longer line would wrap, and then could not be overwritten.
  fmt::print(out_, "{}", styled(kDim, text.substr(0, kColumns - 1)));
  std::fflush(out_);
  progress_shown_ = true;
}

void Console::claim(bool held, std::string_view text) {
  constexpr std::size_t kIndent = 10;
  bool first = true;
  for (const std::string& part : wrapped(text, kColumns - kIndent)) {
    const std::string_view verdict = held ? "ok" : "FAILED";
    line(first ? fmt::format("  {}{:{}}{}", styled(held ? kGreen : kRed, verdict), "",
                             kIndent - 2 - verdict.size(), part)
               : fmt::format("{:{}}{}", "", kIndent, part));
    first = false;
  }
}

void Console::paragraph(std::string_view text, std::size_t indent) {
  for (const std::string& part : wrapped(text, kColumns - indent))
    line(fmt::format("{:{}}{}", "", indent, part));
}

void Console::clear_progress() {
  if (!progress_shown_) return;
  fmt::print(out_, "{}", kEraseLine);
  progress_shown_ = false;
}

std::string Console::styled(std::string_view code, std::string_view text) const {
  return terminal_ ? fmt::format("{}{}{}", code, text, kPlain) : std::string(text);
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  const auto append = [&](const std::vector<std::string>& row) {
    std::string line = " ";
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += i == 0 ? fmt::format(" {:<{}}", row[i], widths[i]) : fmt::format("  {:>{}}", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    append(rows[i]);
    if (i > 0) continue;
    std::vector<std::string> rule;
    for (const std::size_t width : widths) rule.emplace_back(width, '-');
    append(rule);
  }
  return text;
}

std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    std::size_t end = text.size();
    if (end > width) {
      end = text.rfind(' ', width);
      if (end == std::string_view::npos) end = std::min(text.find(' '), text.size());
    }
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string with_commas(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string in_words(std::chrono::nanoseconds duration) {
  const double ms = static_cast<double>(duration.count()) / 1e6;
  if (ms < 1) return fmt::format("{:.3f} ms", ms);
  if (ms < 10) return fmt::format("{:.2f} ms", ms);
  if (ms < 100) return fmt::format("{:.1f} ms", ms);
  if (ms < 1000) return fmt::format("{:.0f} ms", ms);
  return fmt::format("{:.2f} s", ms / 1e3);
}

std::string percent(double part, double whole) {
  return whole > 0 ? fmt::format("{:.1f} %", 100 * part / whole) : "-";
}

}  // namespace forebay::cli::demo
