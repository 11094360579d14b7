#include "resp/output.h"

#include <algorithm>

namespace forebay::resp {
namespace {

iovec part_of(std::string_view bytes) {
  // The socket only reads from it.
  return {const_cast<char*>(bytes.data()), bytes.size()};
}

}  // namespace

void Output::splice(Value owner, std::string_view bytes) {
  spliced_ += bytes.size();
  splices_.push_back({text.size(), std::move(owner), bytes});
}

void Output::truncate(std::size_t at) {
  text.resize(at);
  while (!splices_.empty() && splices_.back().at > at) {
    spliced_ -= splices_.back().bytes.size();
    splices_.pop_back();
  }
}

void Output::append(const Output& from, std::size_t begin, std::size_t end) {
  const std::size_t base = text.size();
  text.append(from.text, begin, end - begin);
  overflown = overflown || from.overflown;
  if (from.splices_.empty()) return;
  for (const Splice& each : from.splices_) {
    if (each.at <= begin || each.at > end) continue;
    spliced_ += each.bytes.size();
    splices_.push_back({base + each.at - begin, each.owner, each.bytes});
  }
}

Output Output::cut(std::size_t at) {
  Output tail;
  tail.append(*this, at, text.size());
  truncate(at);
  return tail;
}

void Output::clear() {
  text.clear();
  splices_.clear();
  spliced_ = 0;
  overflown = false;
}

std::size_t Output::gather(const Cursor& cursor, std::span<iovec> parts) const {
  std::size_t filled = 0;
  Cursor at = cursor;
  while (filled < parts.size()) {
    const bool more = at.splice < splices_.size();
    const std::size_t end = more ? splices_[at.splice].at : text.size();
    if (at.text < end) {
      parts[filled++] = part_of(std::string_view(text).substr(at.text, end - at.text));
      at.text = end;
    } else if (more) {
      parts[filled++] = part_of(splices_[at.splice].bytes.substr(at.inside));
      ++at.splice;
      at.inside = 0;
    } else {
      break;
    }
  }
  return filled;
}

void Output::advance(Cursor& cursor, std::size_t count) const {
  while (count > 0) {
    const bool more = cursor.splice < splices_.size();
    const std::size_t end = more ? splices_[cursor.splice].at : text.size();
    if (cursor.text < end) {
      const std::size_t step = std::min(count, end - cursor.text);
      cursor.text += step;
      count -= step;
    } else {
      const std::size_t left = splices_[cursor.splice].bytes.size() - cursor.inside;
      const std::size_t step = std::min(count, left);
      count -= step;
      cursor.inside += step;
      if (step < left) return;
      ++cursor.splice;
      cursor.inside = 0;
    }
  }
}

}  // namespace forebay::resp
