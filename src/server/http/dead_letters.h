#pragma once

// Dead letters over HTTP: the writes that a database refused after they had been acknowledged.
//
//   GET    /deadletters[?source=NAME&after=ID&count=N]   a JSON array, oldest first; count is 1 to 10,000
//   GET    /deadletters/ID                               one, with its operation
//   PUT    /deadletters/ID                               the body becomes its operation
//   POST   /deadletters/ID/retry                         writes it again
//   DELETE /deadletters/ID                               forgets it
//
// They hold what clients wrote, so where the server has a password these paths take it, too (Basic
// authentication, any user name). Pages in a browser may not change anything: what says an Origin is refused.

#include <functional>
#include <string_view>

#include "server/http/endpoints.h"

namespace forebay::server {

struct HttpRequest {
  std::string_view method;
  std::string_view target;
  std::string_view body;
  std::string_view authorization;  // the header's value; empty: none
  bool from_page = false;          // there is an Origin header
};

bool is_dead_letters(std::string_view target);

// `done` is called once, on any thread, possibly before this returns. Requires is_dead_letters(target), and
// that has_password() said so.
using HttpDone = std::move_only_function<void(HttpAnswer)>;
void answer_dead_letters(Server& server, const HttpRequest& request, HttpDone done);

// Whether the request has the password of a user who may have the target, or there is none.
bool has_password(Server& server, std::string_view target, std::string_view authorization);

}  // namespace forebay::server
