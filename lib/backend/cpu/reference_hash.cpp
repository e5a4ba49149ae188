// Kernel of hash_bucket: exact, so the only one.
#include <charconv>

#include "backend/cpu/reference.h"
#include "base/fingerprint.h"
#include "tensor/dim.h"

namespace dl::cpu {
namespace {

uint64_t hash_text_of(int64_t value, const std::vector<int64_t>& key) {
  char text[20];  // -9223372036854775808
  const std::to_chars_result end = std::to_chars(text, text + sizeof(text), value);
  const std::string_view digits(text, static_cast<size_t>(end.ptr - text));
  return key.empty() ? farm_fingerprint(digits) : sip_hash(digits, static_cast<uint64_t>(key[0]), static_cast<uint64_t>(key[1]));
}

void run_hash_bucket(const ReferenceCall& call) {
  const std::vector<int64_t> key = call.attrs.integers("key");
  const auto buckets = static_cast<uint64_t>(call.attrs.integer("buckets"));
  const int64_t count = element_count(call.outputs[0].dims);
  for (int64_t i = 0; i < count; ++i) {
    uint64_t hash = kCrossingStart;
    if (call.inputs.size() == 1)
      hash = hash_text_of(call.in<int64_t>(0)[i], key);
    else
      for (size_t k = 0; k < call.inputs.size(); ++k) hash = join_fingerprints(hash, static_cast<uint64_t>(call.in<int64_t>(k)[i]));
    call.out<int64_t>(0)[i] = static_cast<int64_t>(hash % buckets);
  }
}

}  // namespace

void append_reference_hash(std::vector<KernelRow>& rows) {
  rows.push_back({"hash_bucket", "reference", prepare_reference<run_hash_bucket>});
}

}  // namespace dl::cpu
