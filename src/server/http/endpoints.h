#pragma once

#include <string>
#include <string_view>

namespace forebay::server {

class Server;

// What the HTTP front answers; no sockets here.
struct HttpAnswer {
  unsigned status = 200;
  std::string_view content_type = "text/plain; charset=utf-8";
  std::string body;
};

// `method` and `target` as the request has them; a query in the target is ignored. For HEAD the same as for
// GET.
HttpAnswer answer_http(Server& server, std::string_view method, std::string_view target);

// Whether a request with this Host header (if it has one) may be answered. Without a password, names that a
// page in a browser may have had point here are refused, but for the health checks, which tell nothing.
bool admits_host(Server& server, std::string_view target, bool has_host, std::string_view host);
// Whether the target is for those who have the password.
bool needs_password(const Server& server, std::string_view target);

}  // namespace forebay::server
