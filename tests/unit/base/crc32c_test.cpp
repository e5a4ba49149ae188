#include "base/crc32c.h"

#include <doctest/doctest.h>

#include <string>

using namespace dl;

// RFC 3720 appendix B.4 and the check value of the Castagnoli polynomial.
TEST_CASE("crc32c gives the published vectors") {
  std::string ascending(32, 0), descending(32, 0);
  for (int i = 0; i < 32; ++i) {
    ascending[i] = static_cast<char>(i);
    descending[i] = static_cast<char>(31 - i);
  }
  CHECK(crc32c("123456789") == 0xe3069283u);
  CHECK(crc32c("") == 0u);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aau);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43u);
  CHECK(crc32c(ascending) == 0x46dd794eu);
  CHECK(crc32c(descending) == 0x113fdb5cu);
  CHECK(mask_crc32c(0xe3069283u) == 0xc78ab0e5u);
}

TEST_CASE("crc32c: tables, instruction and any split agree at every length and alignment") {
  std::string bytes;
  for (int i = 0; i < 300; ++i) bytes.push_back(static_cast<char>(i * 37 + i / 7));
  for (size_t begin = 0; begin < 9; ++begin) {
    for (size_t size = 0; size < 64; ++size) {
      const char* data = bytes.data() + begin;
      const uint32_t whole = crc32c(data, size);
      CHECK(whole == crc32c_portable(data, size));
      CHECK(whole == crc32c(data + size / 3, size - size / 3, crc32c(data, size / 3)));
      CHECK(whole == crc32c_portable(data + size / 3, size - size / 3, crc32c_portable(data, size / 3)));
    }
  }
}
