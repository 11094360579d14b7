#include "server/http/dead_letters.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/row_json.h"
#include "forebay/layer.h"
#include "server/access/permission.h"
#include "server/access/users.h"
#include "server/admission.h"
#include "server/resp/commands/registry.h"
#include "server/server.h"

namespace forebay::server {
namespace {

constexpr std::string_view kPath = "/deadletters";
constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::string_view kJson = "application/json";
constexpr std::size_t kMostListed = 10'000;

unsigned status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kConfig:
    case ErrorCode::kUnsupported:
      return 400;
    case ErrorCode::kRefused:
    case ErrorCode::kConflict:
      return 409;
    case ErrorCode::kUnavailable:
    case ErrorCode::kTimeout:
    case ErrorCode::kOverloaded:
    case ErrorCode::kUnknownOutcome:
    case ErrorCode::kCancelled:
    case ErrorCode::kOutOfMemory:
      return 503;
    case ErrorCode::kInternal:
      break;
  }
  return 500;
}

HttpAnswer failed(const Error& error) {
  return {status_of(error.code), kText, error.message + "\n"};
}

HttpAnswer not_found() {
  return {404, kText, "there is no such dead letter\n"};
}

enum class Detail : bool { kBrief, kWhole };

std::string json_of(PutAside aside, Detail detail) {
  RowJson json;
  json.text("id", aside.id);
  json.text("source", aside.source);
  json.text("namespace", aside.letter.space);
  json.text("key", aside.letter.key);
  json.text("error", aside.letter.error);
  json.text("at", aside.letter.at);
  if (detail == Detail::kWhole) json.json("operation", aside.letter.operation);
  return json.take();
}

// Percent-encoding (RFC 3986); nothing: it is not well-formed.
std::optional<std::string> decode_percent(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned char byte = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const auto [end, wrong] = std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16);
    if (wrong != std::errc() || end != text.data() + i + 3) return std::nullopt;
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

struct ListQuery {
  std::string source;
  std::string after;
  std::size_t count = 100;
};

std::optional<ListQuery> parse_query(std::string_view text) {
  ListQuery query;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view name = pair.substr(0, equals);
    auto value = decode_percent(pair.substr(equals + 1));
    if (!value) return std::nullopt;
    if (name == "source") {
      query.source = std::move(*value);
    } else if (name == "after") {
      query.after = std::move(*value);
    } else if (name == "count") {
      const auto [last, wrong] = std::from_chars(value->data(), value->data() + value->size(), query.count);
      if (wrong != std::errc() || last != value->data() + value->size() || query.count < 1 ||
          query.count > kMostListed) {
        return std::nullopt;
      }
    } else {
      return std::nullopt;
    }
  }
  return query;
}

void list(Layer& layer, std::string_view query_text, HttpDone done) {
  const auto query = parse_query(query_text);
  if (!query)
    return done({400, kText, "the query is source=NAME, after=ID and count=1 to 10000, each optional\n"});
  layer.dead_letters(query->source, query->after, query->count,
                     [done = std::move(done)](Result<std::vector<PutAside>> letters) mutable {
                       if (!letters) return done(failed(letters.error()));
                       std::string body = "[";
                       for (PutAside& aside : *letters) {
                         if (body.size() > 1) body += ",\n";
                         body += json_of(std::move(aside), Detail::kBrief);
                       }
                       done({200, kJson, body + "]\n"});
                     });
}

void show(Layer& layer, std::string_view id, HttpDone done) {
  layer.dead_letter(id, [done = std::move(done)](Result<std::optional<PutAside>> letter) mutable {
    if (!letter) return done(failed(letter.error()));
    if (!*letter) return done(not_found());
    done({200, kJson, json_of(std::move(**letter), Detail::kWhole) + "\n"});
  });
}

Layer::Found changed(std::string_view what, HttpDone done) {
  return [what, done = std::move(done)](Result<bool> found) mutable {
    if (!found) return done(failed(found.error()));
    if (!*found) return done(not_found());
    done({200, kText, std::string(what) + "\n"});
  };
}

}  // namespace

bool is_dead_letters(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  return path == kPath || (path.starts_with(kPath) && path[kPath.size()] == '/');
}

bool has_password(Server& server, std::string_view target, std::string_view authorization) {
  if (server.users().open_to_all()) return true;
  constexpr std::string_view kBasic = "Basic ";
  if (!authorization.starts_with(kBasic)) return false;
  const auto pair = decode_base64(authorization.substr(kBasic.size()));
  if (!pair) return false;
  const std::size_t colon = pair->find(':');
  if (colon == std::string::npos) return false;
  const std::string_view password = std::string_view(*pair).substr(colon + 1);
  // A name that no user has stands for the default one, as it did before there were others.
  access::UserRef user = server.users().find(std::string_view(*pair).substr(0, colon));
  if (user == nullptr) user = server.users().default_user();
  static constexpr std::string_view kAsked[] = {"forebay", "deadletters", "list"};
  if (!user->accepts(password)) return false;
  return !is_dead_letters(target) || !access::check(*user, *find_command(kAsked[0]), kAsked);
}

void answer_dead_letters(Server& server, const HttpRequest& request, HttpDone done) {
  const std::size_t question = std::min(request.target.find('?'), request.target.size());
  std::string_view path = request.target.substr(0, question);
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (!reads && request.from_page) return done({403, kText, "not from a page in a browser\n"});
  Layer& layer = server.layer();
  path.remove_prefix(kPath.size());
  if (path.empty() || path == "/") {
    if (!reads) return done({405, kText, "only GET and HEAD\n"});
    return list(layer, request.target.substr(std::min(question + 1, request.target.size())), std::move(done));
  }
  path.remove_prefix(1);
  constexpr std::string_view kRetry = "/retry";
  if (path.ends_with(kRetry)) {
    if (request.method != "POST") return done({405, kText, "only POST\n"});
    path.remove_suffix(kRetry.size());
    return layer.retry_dead_letter(path, changed("written again", std::move(done)));
  }
  if (reads) return show(layer, path, std::move(done));
  if (request.method == "PUT")
    return layer.edit_dead_letter(path, request.body, changed("changed", std::move(done)));
  if (request.method == "DELETE") return layer.drop_dead_letter(path, changed("dropped", std::move(done)));
  done({405, kText, "only GET, HEAD, PUT and DELETE\n"});
}

}  // namespace forebay::server
