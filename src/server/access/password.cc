#include "server/access/password.h"

#include <openssl/evp.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <vector>

namespace forebay::server::access {
namespace {

constexpr std::size_t kHashBytes = 32;
constexpr std::string_view kDigits = "0123456789abcdef";

std::string hexadecimal(std::span<const unsigned char> bytes) {
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

}  // namespace

std::string hash_of_password(std::string_view password) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  // Cannot fail: SHA-256 is always there, and needs no memory of ours.
  EVP_Digest(password.data(), password.size(), hash.data(), &size, EVP_sha256(), nullptr);
  return hexadecimal(std::span(hash).first(kHashBytes));
}

bool is_password_hash(std::string_view text) {
  return text.size() == 2 * kHashBytes &&
         std::ranges::all_of(text, [](char c) { return kDigits.find(c) != std::string_view::npos; });
}

Result<std::string> random_secret(std::size_t bits) {
  constexpr std::size_t kPerDigit = 4;
  const std::size_t digits = (bits + kPerDigit - 1) / kPerDigit;
  std::vector<unsigned char> bytes((digits + 1) / 2);
  for (std::size_t filled = 0; filled < bytes.size();) {
    const ssize_t count = ::getrandom(bytes.data() + filled, bytes.size() - filled, 0);
    if (count < 0 && errno != EINTR) return Error{ErrorCode::kInternal, "the system gives no random bytes"};
    if (count > 0) filled += static_cast<std::size_t>(count);
  }
  std::string text = hexadecimal(bytes);
  text.resize(digits);
  return text;
}

}  // namespace forebay::server::access
