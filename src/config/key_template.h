#pragma once

// What [events.NAME] invalidates: texts such as `order:{order.id}`, with fields of the message.
//
//   template = [ "tag " | "key " ] text ;
//   text     = literal { field literal } ;
//   field    = "{" name { "." name } "}" ;
//
// `key ` says that the key is of no namespace on purpose: without it a template that no namespace's keys have the form of
// is taken for a slip.

#include <string_view>
#include <vector>

#include "config/model.h"
#include "config/pattern.h"

namespace forebay::config {

// Every mistake is added to `mistakes`, with its byte in `text`; the template is usable only if there was none. O(n).
KeyTemplate parse_key_template(std::string_view text, std::vector<TextMistake>& mistakes);

// Whether some key has the form of the template and is one of the namespace. O(|template| x |key pattern|).
bool names_key_of(const KeyTemplate& wanted, const Namespace& space);

}  // namespace forebay::config
