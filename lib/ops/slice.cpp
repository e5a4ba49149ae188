// Taking parts and putting them together: slice, pad (its adjoint, with gaps), concat.
#include <algorithm>

#include "ops/builders.h"
#include "ops/ops.h"
#include "ops/samples.h"

namespace dl {
namespace {}  // namespace

const OpDef op_slice = {
    .name = "slice",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = {{"starts", Shape{}, true}, {"sizes", Shape{}, true}, {"steps", Ints{}, true}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      const Shape &in = call.inputs[0].shape, &starts = call.attrs.shape("starts"), &sizes = call.attrs.shape("sizes");
      const Ints& steps = call.attrs.integers("steps");
      if (starts.size() != in.size() || sizes.size() != in.size() || steps.size() != in.size())
        infer_error(call, "starts, sizes and steps need one entry per axis");
      for (size_t i = 0; i < in.size(); ++i) {
        if (steps[i] == 0) infer_error(call, "a step is 0");
        if (!in[i].known() || !starts[i].known() || !sizes[i].known()) continue;  // checked when bound
        const int64_t size = sizes[i].value(), first = starts[i].value(), last = first + (size - 1) * steps[i], limit = in[i].value();
        if (size < 0 || (size > 0 && (std::min(first, last) < 0 || std::max(first, last) >= limit)))
          infer_error(call, "elements " + std::to_string(first) + " to " + std::to_string(last) + " of axis " + std::to_string(i) +
                                " are outside of size " + std::to_string(limit));
      }
      return {{call.inputs[0].dtype, sizes}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      const Shape &in = call.inputs[0].shape(), &starts = call.attrs.shape("starts"), &sizes = call.attrs.shape("sizes");
      const Ints& steps = call.attrs.integers("steps");
      Var dy = call.douts[0];
      Shape before, after;
      Ints interior;
      for (size_t i = 0; i < in.size(); ++i) {
        if (sizes[i] == Dim(0)) {
          before.push_back(in[i]), after.push_back(0), interior.push_back(0);
          continue;
        }
        const Dim reach = (sizes[i] - Dim(1)) * Dim(std::abs(steps[i]));
        const Dim low = steps[i] > 0 ? starts[i] : starts[i] - reach;
        if (steps[i] < 0) dy = reverse(dy, static_cast<int64_t>(i));
        before.push_back(low), after.push_back(in[i] - low - reach - Dim(1)), interior.push_back(std::abs(steps[i]) - 1);
      }
      return {pad(dy, std::move(before), std::move(after), 0, std::move(interior))};
    },
    .samples = []() -> std::vector<Sample> {
      return {{{{kF, {5}}}, {{"starts", Shape{1}}, {"sizes", Shape{3}}, {"steps", Ints{1}}}},
              {{{kF, {7, 4}}}, {{"starts", Shape{1, 0}}, {"sizes", Shape{3, 4}}, {"steps", Ints{2, 1}}}},
              {{{kF, {4, 5}}}, {{"starts", Shape{3, 4}}, {"sizes", Shape{4, 2}}, {"steps", Ints{-1, -2}}}},
              {{{kF, {4, 2, 3}}}, {{"starts", Shape{2, 0, 0}}, {"sizes", Shape{2, 2, 3}}, {"steps", Ints{1, 1, 1}}}},
              {{{kF, {4}}}, {{"starts", Shape{2}}, {"sizes", Shape{0}}, {"steps", Ints{1}}}}};
    },
};

Var slice(Var x, Shape starts, Shape sizes, Ints steps) {
  if (steps.empty()) steps.assign(static_cast<size_t>(x.rank()), 1);
  const bool whole = sizes == x.shape() && std::all_of(steps.begin(), steps.end(), [](int64_t s) { return s == 1; });
  return whole ? x : add_op(op_slice, {x}, {{"starts", std::move(starts)}, {"sizes", std::move(sizes)}, {"steps", std::move(steps)}});
}

Var slice_axis(Var x, int64_t axis, Dim start, Dim size, int64_t step) {
  axis = normalize_axis(axis, x.rank(), "slice");
  Shape starts(static_cast<size_t>(x.rank()), Dim(0)), sizes = x.shape();
  Ints steps(static_cast<size_t>(x.rank()), 1);
  const auto i = static_cast<size_t>(axis);
  starts[i] = start, sizes[i] = size, steps[i] = step;
  return slice(x, std::move(starts), std::move(sizes), std::move(steps));
}

Var reverse(Var x, int64_t axis) { return slice_axis(x, axis, x.dim(axis) - Dim(1), x.dim(axis), -1); }

const OpDef op_pad = {
    .name = "pad",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = {{"before", Shape{}, true}, {"after", Shape{}, true}, {"interior", Ints{}, true}, {"value", 0.0}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      const Shape &in = call.inputs[0].shape, &before = call.attrs.shape("before"), &after = call.attrs.shape("after");
      const Ints& interior = call.attrs.integers("interior");
      if (before.size() != in.size() || after.size() != in.size() || interior.size() != in.size())
        infer_error(call, "before, after and interior need one entry per axis");
      Shape out;
      for (size_t i = 0; i < in.size(); ++i) {
        if ((before[i].known() && before[i].value() < 0) || (after[i].known() && after[i].value() < 0) || interior[i] < 0)
          infer_error(call, "a padding is negative");
        Dim size = in[i];
        if (interior[i] > 0 && !(in[i] == Dim(0))) size = size + (in[i] - Dim(1)) * Dim(interior[i]);
        out.push_back(before[i] + size + after[i]);
      }
      return {{call.inputs[0].dtype, std::move(out)}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      Ints steps = call.attrs.integers("interior");
      for (int64_t& s : steps) ++s;
      // slice() of a whole-shape x is x itself, so equal shapes with other starts cannot occur.
      return {slice(call.douts[0], call.attrs.shape("before"), call.inputs[0].shape(), std::move(steps))};
    },
    .samples = []() -> std::vector<Sample> {
      return {{{{kF, {3}}}, {{"before", Shape{1}}, {"after", Shape{2}}, {"interior", Ints{0}}}},
              {{{kF, {2, 3}}}, {{"before", Shape{0, 1}}, {"after", Shape{1, 0}}, {"interior", Ints{2, 1}}, {"value", -1.5}}},
              {{{kF, {0, 2}}}, {{"before", Shape{2, 0}}, {"after", Shape{0, 0}}, {"interior", Ints{1, 0}}}},
              {{{kF, {1, 4, 4, 2}}}, {{"before", Shape{0, 1, 1, 0}}, {"after", Shape{0, 2, 1, 0}}, {"interior", Ints{0, 0, 0, 0}}}}};
    },
};

Var pad(Var x, Shape before, Shape after, double value, Ints interior) {
  if (interior.empty()) interior.assign(static_cast<size_t>(x.rank()), 0);
  const auto is_zero = [](Dim d) { return d == Dim(0); };
  if (std::all_of(before.begin(), before.end(), is_zero) && std::all_of(after.begin(), after.end(), is_zero) &&
      std::all_of(interior.begin(), interior.end(), [](int64_t g) { return g == 0; }))
    return x;
  return add_op(op_pad, {x},
                {{"before", std::move(before)}, {"after", std::move(after)}, {"interior", std::move(interior)}, {"value", value}});
}

Var pad(Var x, Ints before, Ints after, double value) { return pad(x, to_shape(before), to_shape(after), value); }

const OpDef op_concat = {
    .name = "concat",
    .min_inputs = 1,
    .max_inputs = -1,
    .attrs = {{"axis", int64_t{0}, true}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      const auto axis = static_cast<size_t>(call.attrs.integer("axis"));
      TensorType result = call.inputs[0];
      for (size_t k = 1; k < call.inputs.size(); ++k) {
        const TensorType& t = call.inputs[k];
        bool fits = t.dtype == result.dtype && t.shape.size() == result.shape.size();
        for (size_t i = 0; fits && i < t.shape.size(); ++i) fits = i == axis || t.shape[i] == result.shape[i];
        if (!fits) infer_error(call, "operands must agree in type and in every size but that of axis " + std::to_string(axis));
        result.shape[axis] = result.shape[axis] + t.shape[axis];
      }
      return {result};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      const int64_t axis = call.attrs.integer("axis");
      std::vector<Var> gradients;
      Dim start(0);
      for (const Var& x : call.inputs) {
        gradients.push_back(slice_axis(call.douts[0], axis, start, x.dim(axis)));
        start = start + x.dim(axis);
      }
      return gradients;
    },
    .samples = []() -> std::vector<Sample> {
      return {{{{kF, {2}}, {kF, {3}}}, {{"axis", int64_t{0}}}},
              {{{kF, {2, 3}}, {kF, {2, 1}}, {kF, {2, 4}}}, {{"axis", int64_t{1}}}},
              {{{kF, {0, 2}}, {kF, {3, 2}}}, {{"axis", int64_t{0}}}},
              {{{kF, {2, 2}}}, {{"axis", int64_t{1}}}}};
    },
};

Var concat(std::span<const Var> inputs, int64_t axis) {
  DL_CHECK(!inputs.empty(), "concat of nothing");
  return inputs.size() == 1 ? inputs[0] : add_op(op_concat, inputs, {{"axis", normalize_axis(axis, inputs[0].rank(), "concat")}});
}
Var concat(std::initializer_list<Var> inputs, int64_t axis) { return concat(std::span<const Var>(inputs.begin(), inputs.size()), axis); }

}  // namespace dl
