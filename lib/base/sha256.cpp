#include "base/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/atomic_file.h"
#include "base/error.h"

namespace dl {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  DL_CHECK(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1, "SHA-256 cannot start");
}
Sha256::~Sha256() = default;

void Sha256::update(const void* data, size_t bytes) { DL_CHECK(EVP_DigestUpdate(state_->context, data, bytes) == 1, "SHA-256 failed"); }

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  DL_CHECK(EVP_DigestFinal_ex(state_->context, digest.data(), &size) == 1, "SHA-256 failed");
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
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
