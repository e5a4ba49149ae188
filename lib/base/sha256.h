// SHA-256 (FIPS 180-4), as sha256sum prints it. For the hashes that convert and export report.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace dl {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(const void* data, size_t bytes);
  std::string hex();  // ends it

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_of_file(const std::string& path);  // EnvError when it cannot be read

}  // namespace dl
