#include "layer/write/aside.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "layer/write/put.h"

namespace forebay::layer {
namespace {

class Aside final : public WriteStrategy {
 public:
  explicit Aside(const WriteParts& parts) : parts_(parts) {}

  bool write(const KeyRef& at, Write, WriteCallback done, const WriteOptions&) override {
    if (at.space.info.type == EntryType::kCollection) return refuse_collection(at, done);
    done(
        Error{ErrorCode::kUnsupported,
              fmt::format("namespace '{}' does not write its source (write = \"aside\"): write the database, "
                          "then DEL the key",
                          at.space.name())});
    return false;
  }

  bool write_value(const KeyRef& at, std::string_view value, WriteCallback done,
                   const WriteOptions&) override {
    if (at.space.info.type == EntryType::kCollection) return refuse_collection(at, done);
    WriteAnswer answer;
    answer.value = Value::bytes(std::string(value));
    NewCopy copy;
    copy.value = answer.value;
    const auto put = put_copy(parts_.copies, parts_.keys, at, std::move(copy), parts_.clock.now());
    if (put.stored == CopyStore::Stored::kFull) {
      done(Error{ErrorCode::kOutOfMemory, "command not allowed when used memory > 'maxmemory'."});
      return true;
    }
    answer.existed = put.existed;
    answer.token = parts_.tokens.next();
    done(std::move(answer));
    return true;
  }

 private:
  // It is what the table's rows are, and never a client's.
  static bool refuse_collection(const KeyRef& at, WriteCallback& done) {
    done(Error{ErrorCode::kUnsupported,
               fmt::format("namespace '{}' holds what is read from a table: the key can't be given a value",
                           at.space.name())});
    return false;
  }

  const WriteParts parts_;
};

}  // namespace

std::unique_ptr<WriteStrategy> make_aside(const WriteParts& parts) {
  return std::make_unique<Aside>(parts);
}

}  // namespace forebay::layer
