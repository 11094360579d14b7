#include "resp/writer.h"

#include <charconv>
#include <cmath>
#include <functional>

namespace forebay::resp {
namespace {

// `<type><number>\r\n`: the head of almost every reply, built on the stack and appended once.
void head(std::string& out, char type, std::int64_t number) {
  char text[24];
  text[0] = type;
  char* end = std::to_chars(text + 1, text + sizeof text - 2, number).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out.append(text, static_cast<std::size_t>(end - text));
}

void line(std::string& out, char type, std::string_view text) {
  out.push_back(type);
  const std::size_t from = out.size();
  out.append(text);
  for (std::size_t i = from; i < out.size(); ++i) {
    if (out[i] == '\r' || out[i] == '\n') out[i] = ' ';
  }
  out.append("\r\n", 2);
}

bool lies_in(std::string_view bytes, std::string_view whole) {
  const std::less_equal<const char*> not_after;
  return not_after(whole.data(), bytes.data()) &&
         not_after(bytes.data() + bytes.size(), whole.data() + whole.size());
}

// Redis spells infinities and NaN in words that std::to_chars does not use.
std::string_view real_text(double value, char (&text)[32]) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  // Where it is short enough, Redis writes no exponent, even if that would be shorter.
  constexpr double kLeast = 1e-5, kMost = 1e17;
  const double size = std::abs(value);
  const bool plain = value == 0 || (size >= kLeast && size < kMost);
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  const char* end = std::to_chars(text, text + sizeof text, value, format).ptr;
  return {text, static_cast<std::size_t>(end - text)};
}

}  // namespace

void Writer::simple(std::string_view text) {
  line(*out_, '+', text);
}

void Writer::error(std::string_view text) {
  line(*out_, '-', text);
}

void Writer::integer(std::int64_t number) {
  head(*out_, ':', number);
}

void Writer::bulk(std::string_view bytes) {
  if (bytes.size() >= Output::kByReference && lent_ != nullptr && output_ != nullptr &&
      lies_in(bytes, lent_->view())) {
    return splice(*lent_, bytes);
  }
  if (out_->size() > most_) {
    output_->overflown = true;
    return;
  }
  head(*out_, '$', static_cast<std::int64_t>(bytes.size()));
  out_->append(bytes);
  out_->append("\r\n", 2);
}

void Writer::bulk(const Value& value) {
  if (value.view().size() >= Output::kByReference && output_ != nullptr) return splice(value, value.view());
  bulk(value.view());
}

void Writer::splice(const Value& owner, std::string_view bytes) {
  if (output_->bytes() > most_) {
    output_->overflown = true;
    return;
  }
  head(*out_, '$', static_cast<std::int64_t>(bytes.size()));
  output_->splice(owner, bytes);
  out_->append("\r\n", 2);
}

void Writer::array_of(std::size_t count, std::string encoded) {
  array(count);
  if (encoded.size() < Output::kByReference || output_ == nullptr) {
    out_->append(encoded);
    return;
  }
  Value value = Value::bytes(std::move(encoded));
  const std::string_view bytes = value.view();
  output_->splice(std::move(value), bytes);
}

Output Writer::take(std::size_t from) {
  if (output_ != nullptr) return output_->cut(from);
  Output taken;
  taken.text = out_->substr(from);
  out_->resize(from);
  return taken;
}

void Writer::encoded(const Output& replies, std::size_t begin, std::size_t end) {
  if (output_ != nullptr) return output_->append(replies, begin, end);
  out_->append(replies.text, begin, end - begin);
}

void Writer::null() {
  out_->append(protocol_ == Protocol::kResp3 ? std::string_view("_\r\n") : std::string_view("$-1\r\n"));
}

void Writer::null_array() {
  out_->append(protocol_ == Protocol::kResp3 ? std::string_view("_\r\n") : std::string_view("*-1\r\n"));
}

void Writer::array(std::size_t count) {
  head(*out_, '*', static_cast<std::int64_t>(count));
}

void Writer::map(std::size_t pairs) {
  if (protocol_ == Protocol::kResp3) {
    head(*out_, '%', static_cast<std::int64_t>(pairs));
  } else {
    array(pairs * 2);
  }
}

void Writer::set(std::size_t count) {
  head(*out_, protocol_ == Protocol::kResp3 ? '~' : '*', static_cast<std::int64_t>(count));
}

void Writer::push(std::size_t count) {
  head(*out_, protocol_ == Protocol::kResp3 ? '>' : '*', static_cast<std::int64_t>(count));
}

void Writer::boolean(bool value) {
  if (protocol_ == Protocol::kResp3) {
    out_->append(value ? "#t\r\n" : "#f\r\n");
  } else {
    integer(value ? 1 : 0);
  }
}

std::string Writer::text_of_real(double value) {
  char text[32];
  return std::string(real_text(value, text));
}

void Writer::real(double value) {
  char text[32];
  real(real_text(value, text));
}

void Writer::real(std::string_view digits) {
  if (protocol_ == Protocol::kResp3) {
    line(*out_, ',', digits);
  } else {
    bulk(digits);
  }
}

void Writer::verbatim(std::string_view text) {
  if (protocol_ != Protocol::kResp3) return bulk(text);
  head(*out_, '=', static_cast<std::int64_t>(text.size() + 4));
  out_->append("txt:");
  out_->append(text);
  out_->append("\r\n", 2);
}

}  // namespace forebay::resp
