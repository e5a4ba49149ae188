// JSON lines as samples.
#include "fuzz/source_fuzz.h"

namespace {

const char* const kOptions[] = {"x: a", "x: [a, b.c], y: k, missing: zero", "x: {p: a, q: b.c}, y: k, classes: 3, missing: drop",
                                "x: a, text: {output_sequence_length: 4, max_tokens: 20}, missing: drop"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  dl::fuzz::read_source("jsonl", kOptions, data, size, dl::fuzz::read_all);
  return 0;
}
