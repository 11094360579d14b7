#include "resp/writer.h"

#include <charconv>
#include <cmath>

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

// Redis spells infinities and NaN in words that std::to_chars does not use.
std::string_view real_text(double value, char (&text)[32]) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const char* end = std::to_chars(text, text + sizeof text, value).ptr;
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
  head(*out_, '$', static_cast<std::int64_t>(bytes.size()));
  out_->append(bytes);
  out_->append("\r\n", 2);
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

void Writer::real(double value) {
  char text[32];
  const std::string_view digits = real_text(value, text);
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
