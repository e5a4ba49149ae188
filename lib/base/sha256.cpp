#include "base/sha256.h"

// SHA256_Init and its like are deprecated in OpenSSL 3 for EVP, whose tables of all algorithms would come into every start of dltool.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/atomic_file.h"
#include "base/error.h"

namespace dl {

struct Sha256::State {
  SHA256_CTX context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { DL_CHECK(SHA256_Init(&state_->context) == 1, "SHA-256 cannot start"); }
Sha256::~Sha256() = default;

void Sha256::update(const void* data, size_t bytes) { DL_CHECK(SHA256_Update(&state_->context, data, bytes) == 1, "SHA-256 failed"); }

std::string Sha256::hex() {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  DL_CHECK(SHA256_Final(digest.data(), &state_->context) == 1, "SHA-256 failed");
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string sha256_of_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) throw_file_error(path, "cannot open", errno);
  Sha256 hash;
  std::array<char, 1 << 16> buffer{};
  while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), file.get())) hash.update(buffer.data(), n);
  if (std::ferror(file.get())) throw_file_error(path, "cannot read", errno);
  return hash.hex();
}

}  // namespace dl
