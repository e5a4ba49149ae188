// The CSV reader and the table built from it.
#include "fuzz/source_fuzz.h"

namespace {

const char* const kOptions[] = {
    "header: false",
    "header: true",
    "header: false, missing: drop, columns: {y: 1}",
    "header: true, missing: nan, columns: {x: [a], y: b}, classes: true",
    "header: false, missing: mean, window: {length: 2}",
    "header: false, delimiter: ';', missing: zero, one_hot: {0: [F, M]}",
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  dl::fuzz::read_source("csv", kOptions, data, size, dl::fuzz::read_all);
  return 0;
}
