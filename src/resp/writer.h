#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace forebay::resp {

enum class Protocol : std::uint8_t { kResp2 = 2, kResp3 = 3 };

// Appends replies in the Redis wire protocol (https://redis.io/docs/reference/protocol-spec) to a buffer it
// borrows. RESP3 types are written as the RESP2 type that Redis uses instead where the client speaks RESP2.
// Not thread-safe.
class Writer {
 public:
  explicit Writer(std::string& out, Protocol protocol = Protocol::kResp2) : out_(&out), protocol_(protocol) {}

  void simple(std::string_view text);  // +OK; text has no CR or LF
  void ok() { out_->append("+OK\r\n"); }
  // -ERR …; `text` begins with its code in capitals. CR and LF in it are replaced by spaces: it may quote a
  // client.
  void error(std::string_view text);
  void integer(std::int64_t number);
  void bulk(std::string_view bytes);
  void null();                           // RESP2: $-1
  void null_array();                     // RESP2: *-1
  void array(std::size_t count);         // then write `count` replies
  void map(std::size_t pairs);           // then key, value, …; RESP2: a flat array
  void set(std::size_t count);           // RESP2: an array
  void push(std::size_t count);          // RESP3 only by its nature; RESP2: an array
  void boolean(bool value);              // RESP2: 1 or 0
  void real(double value);               // RESP2: a bulk string with the shortest exact text
  void verbatim(std::string_view text);  // RESP3: =txt:; RESP2: a bulk string

  Protocol protocol() const { return protocol_; }
  std::string& buffer() { return *out_; }

 private:
  std::string* out_;
  Protocol protocol_;
};

}  // namespace forebay::resp
