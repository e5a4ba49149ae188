// Texts of samples, by number, in bounded memory: what a field of texts holds until a step (text_steps.h) makes numbers of it.
// Who uses it: sources with text columns write it, text steps read it.
// Thread-safety: append and finish from one thread; after that, read from any number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "data/spill.h"

namespace dl {

class TextStore {
 public:
  int32_t append(std::string_view text);  // its number: 0, 1, ...; FileError beyond 2^31
  void finish() {
    bytes_.finish();
    ends_.finish();
  }
  std::string read(int32_t number) const;

 private:
  Spill bytes_;
  Spill ends_{size_t{8} << 20};  // int64, behind each text
  int64_t count_ = 0, end_ = 0;
};

}  // namespace dl
