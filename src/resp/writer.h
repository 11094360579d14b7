#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "forebay/value.h"
#include "resp/output.h"

namespace forebay::resp {

enum class Protocol : std::uint8_t { kResp2 = 2, kResp3 = 3 };

// Appends replies in the Redis wire protocol (https://redis.io/docs/reference/protocol-spec) to a buffer it
// borrows. RESP3 types are written as the RESP2 type that Redis uses instead where the client speaks RESP2.
// Not thread-safe.
class Writer {
 public:
  explicit Writer(std::string& out, Protocol protocol = Protocol::kResp2) : out_(&out), protocol_(protocol) {}
  // `most`: once the text is longer than this, bulk strings are left out and Output::overflown is set. So a
  // reply that nobody may have costs no more memory than that.
  Writer(Output& out, Protocol protocol, std::size_t most = std::numeric_limits<std::size_t>::max())
      : out_(&out.text), output_(&out), most_(most), protocol_(protocol) {}

  void simple(std::string_view text);  // +OK; text has no CR or LF
  void ok() { out_->append("+OK\r\n"); }
  // -ERR …; `text` begins with its code in capitals. CR and LF in it are replaced by spaces: it may quote a
  // client.
  void error(std::string_view text);
  void integer(std::int64_t number);
  void bulk(std::string_view bytes);
  // A large value is sent from where it lies.
  void bulk(const Value& value);
  // Until this is called again, bulk(bytes) knows that the bytes may lie in this value; null: in none. The
  // value outlives that.
  void lend(const Value* value) { lent_ = value; }
  // `count` replies that have been encoded already, as the elements of an array. They are sent from where
  // they lie.
  void array_of(std::size_t count, std::string encoded);
  void null();                         // RESP2: $-1
  void null_array();                   // RESP2: *-1
  void array(std::size_t count);       // then write `count` replies
  void map(std::size_t pairs);         // then key, value, …; RESP2: a flat array
  void set(std::size_t count);         // RESP2: an array
  void push(std::size_t count);        // RESP3 only by its nature; RESP2: an array
  void boolean(bool value);            // RESP2: 1 or 0
  void real(double value);             // RESP2: a bulk string with the shortest exact text
  void real(std::string_view digits);  // the same where the caller knows how to write it
  // As real() writes it: as Redis does, whole numbers to 10^17 without an exponent.
  static std::string text_of_real(double value);
  void verbatim(std::string_view text);  // RESP3: =txt:; RESP2: a bulk string

  Protocol protocol() const { return protocol_; }
  void set_protocol(Protocol protocol) { protocol_ = protocol; }
  // Takes back what was written from this position of buffer() on.
  Output take(std::size_t from);
  // Replies that have been encoded already, between two positions.
  void encoded(const Output& replies, std::size_t begin, std::size_t end);
  std::string& buffer() { return *out_; }

 private:
  void splice(const Value& owner, std::string_view bytes);

  std::string* out_;
  Output* output_ = nullptr;
  const Value* lent_ = nullptr;
  std::size_t most_ = std::numeric_limits<std::size_t>::max();
  Protocol protocol_;
};

}  // namespace forebay::resp
