// Optimizer updates in one pass over the parameter and its slots, in place.
#include "backend/cpu/fused.h"
#include "backend/cpu/fused_loops.h"
#include "base/parallel.h"

namespace dl::cpu {
namespace {

constexpr int64_t kGrain = 32768;  // elements

float value_at(const KernelArgs& args, size_t input) { return *floats(args, input); }
const float* shift(const float* p, int64_t n) { return p ? p + n : nullptr; }
float* shift(float* p, int64_t n) { return p ? p + n : nullptr; }

std::unique_ptr<Kernel> prepare_sgd(const NodeView& node) {
  if (!all_float32(node)) return nullptr;
  const bool has_velocity = node.outputs.size() > 1, nesterov = node.attrs.flag("nesterov");
  const auto momentum = static_cast<float>(node.attrs.real("momentum"));
  std::vector<std::pair<int, int>> in_place = {{0, 0}};
  if (has_velocity) in_place.push_back({1, 2});
  return make_kernel(
      [loop = fused_loops().sgd, n = node.outputs[0].size(), has_velocity, nesterov, momentum](const KernelArgs& args) {
        const SgdConstants k{value_at(args, has_velocity ? 3 : 2), momentum, nesterov};
        const float *p = floats(args, 0), *g = floats(args, 1), *v = has_velocity ? floats(args, 2) : nullptr;
        float *p_new = result(args, 0), *v_new = has_velocity ? result(args, 1) : nullptr;
        parallel_for(n, kGrain, [&](int64_t b, int64_t e) { loop(k, p + b, g + b, shift(v, b), p_new + b, shift(v_new, b), e - b); });
      },
      std::move(in_place));
}

std::unique_ptr<Kernel> prepare_adam(const NodeView& node) {
  if (!all_float32(node)) return nullptr;
  AdamConstants constants{};
  constants.one_minus_beta1 = static_cast<float>(1 - node.attrs.real("beta1"));
  constants.one_minus_beta2 = static_cast<float>(1 - node.attrs.real("beta2"));
  constants.epsilon = static_cast<float>(node.attrs.real("epsilon"));
  constants.weight_decay = static_cast<float>(node.attrs.real("weight_decay"));
  return make_kernel(
      [loop = fused_loops().adam, n = node.outputs[0].size(), constants](const KernelArgs& args) {
        AdamConstants k = constants;
        k.alpha = value_at(args, 4);
        k.learning_rate = value_at(args, 5);
        const float *p = floats(args, 0), *g = floats(args, 1), *m = floats(args, 2), *v = floats(args, 3);
        float *p_new = result(args, 0), *m_new = result(args, 1), *v_new = result(args, 2);
        parallel_for(n, kGrain, [&](int64_t b, int64_t e) { loop(k, p + b, g + b, m + b, v + b, p_new + b, m_new + b, v_new + b, e - b); });
      },
      {{0, 0}, {1, 2}, {2, 3}});
}

std::unique_ptr<Kernel> prepare_rmsprop(const NodeView& node) {
  if (!all_float32(node)) return nullptr;
  const bool has_momentum = node.attrs.real("momentum") > 0, centered = node.attrs.flag("centered");
  RmspropConstants constants{};
  constants.rho = static_cast<float>(node.attrs.real("rho"));
  constants.one_minus_rho = static_cast<float>(1 - node.attrs.real("rho"));
  constants.momentum = static_cast<float>(node.attrs.real("momentum"));
  constants.epsilon = static_cast<float>(node.attrs.real("epsilon"));
  // Slot i of the results lies over operand i + 1.
  std::vector<std::pair<int, int>> in_place = {{0, 0}};
  for (int i = 1; i < static_cast<int>(node.outputs.size()); ++i) in_place.push_back({i, i + 1});
  return make_kernel(
      [loop = fused_loops().rmsprop, n = node.outputs[0].size(), last = node.inputs.size() - 1, has_momentum, centered,
       constants](const KernelArgs& args) {
        RmspropConstants k = constants;
        k.learning_rate = value_at(args, last);
        const size_t average = has_momentum ? 4 : 3;
        const float *p = floats(args, 0), *g = floats(args, 1), *v = floats(args, 2);
        const float *m = has_momentum ? floats(args, 3) : nullptr, *a = centered ? floats(args, average) : nullptr;
        float *p_new = result(args, 0), *v_new = result(args, 1);
        float *m_new = has_momentum ? result(args, 2) : nullptr, *a_new = centered ? result(args, average - 1) : nullptr;
        parallel_for(n, kGrain, [&](int64_t b, int64_t e) {
          loop(k, p + b, g + b, v + b, shift(m, b), shift(a, b), p_new + b, v_new + b, shift(m_new, b), shift(a_new, b), e - b);
        });
      },
      std::move(in_place));
}

const KernelRow kRows[] = {
    {"sgd_update", "fused", prepare_sgd}, {"adam_update", "fused", prepare_adam}, {"rmsprop_update", "fused", prepare_rmsprop}};

}  // namespace

std::span<const KernelRow> fused_optimizer_rows() { return kRows; }

}  // namespace dl::cpu
