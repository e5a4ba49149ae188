#include <algorithm>

#include "backend/cpu/isa.h"
#include "backend/cpu/loops.h"
#include "backend/cpu/random_isa.h"
#include "backend/cpu/random_uniform.h"
#include "base/parallel.h"

namespace dl::cpu {
namespace {

constexpr int64_t kChunk = 256;  // blocks whose words are kept on the stack

template <class T>
class RandomUniform final : public Kernel {
 public:
  explicit RandomUniform(const NodeView& node)
      : loop_(for_active_isa(baseline::uniform_loop, avx2::uniform_loop, avx512::uniform_loop)()),
        seed_(static_cast<uint64_t>(node.attrs.integer("seed"))),
        stream_(static_cast<uint64_t>(node.attrs.integer("stream"))),
        size_(node.outputs[0].size()) {}

  void run(const KernelArgs& args) override {
    const int64_t step = *static_cast<const int64_t*>(args.inputs[0]);
    T* y = static_cast<T*>(args.outputs[0]);
    parallel_for((size_ + 3) / 4, 4 * kChunk, [&](int64_t begin, int64_t end) {
      uint32_t words[4 * kChunk];
      for (; begin < end; begin += kChunk) {
        loop_(seed_, stream_, step, begin, std::min(end, begin + kChunk), words);
        const int64_t count = std::min(size_ - 4 * begin, 4 * std::min(kChunk, end - begin));
        for (int64_t i = 0; i < count; ++i) y[4 * begin + i] = to_uniform<T>(words[i]);
      }
    });
  }

 private:
  UniformLoop loop_;
  uint64_t seed_, stream_;
  int64_t size_;
};

std::unique_ptr<Kernel> prepare(const NodeView& node) {
  if (node.outputs[0].size() > int64_t{1} << 34) return nullptr;
  switch (node.outputs[0].dtype) {
    case DType::kFloat32:
      return std::make_unique<RandomUniform<float>>(node);
    case DType::kFloat64:
      return std::make_unique<RandomUniform<double>>(node);
    case DType::kBFloat16:
      return std::make_unique<RandomUniform<bfloat16>>(node);
    case DType::kFloat16:
      return std::make_unique<RandomUniform<float16>>(node);
    default:
      return nullptr;
  }
}

}  // namespace

void append_random_loops(std::vector<KernelRow>& rows) { rows.push_back({"random_uniform", "loops", prepare}); }

}  // namespace dl::cpu
