#pragma once

// How the demo speaks: plain text of at most 80 columns that reads well in a pipe; on a terminal also bold,
// colour and lines that are overwritten while something is in progress.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace forebay::cli::demo {

// Not thread-safe.
class Console {
 public:
  // Control codes are used if `out` is a terminal that understands them and NO_COLOR (https://no-color.org)
  // is not set.
  explicit Console(std::FILE* out);
  Console(std::FILE* out, bool terminal) : out_(out), terminal_(terminal) {}

  void heading(std::string_view text);
  void line(std::string_view text = {});
  void text(std::string_view lines);  // whole lines, each with its end
  // What is going on at the moment. On a terminal it stands in one line that the next output replaces;
  // elsewhere it is not printed, as whoever reads a log wants results.
  void progress(std::string_view text);
  // A claim and whether it held: "  ok      text" or "  FAILED  text". `text` is wrapped.
  void claim(bool held, std::string_view text);
  // Text wrapped at 80 columns, `indent` spaces before each line.
  void paragraph(std::string_view text, std::size_t indent = 0);

 private:
  void clear_progress();
  std::string styled(std::string_view code, std::string_view text) const;

  std::FILE* out_;
  bool terminal_;
  bool progress_shown_ = false;
};

// A table in plain text: the first row is the head, the first column is aligned left and the others right.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

// `text` in lines of at most `width` characters, broken at spaces; a longer word gets a line to itself.
std::vector<std::string> wrapped(std::string_view text, std::size_t width);

std::string with_commas(std::uint64_t number);            // 63,666
std::string in_words(std::chrono::nanoseconds duration);  // "0.042 ms", "3.41 ms", "190 ms", "2.10 s"
std::string percent(double part, double whole);           // "97.3 %"; of nothing: "-"

}  // namespace forebay::cli::demo
