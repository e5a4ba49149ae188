// Attention with caches, masks and grouped heads, written out; and rotary embeddings.
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "io/onnx/import_util.h"
#include "ops/nn.h"

namespace dl::onnx {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

// [batch, time, heads * size] as [batch, heads, time, size].
Var split_heads(NodeCall& call, Var x, int64_t heads) {
  if (heads < 1) call.fail("operands of three axes need q_num_heads and kv_num_heads");
  const std::optional<Dim> size = exact_div(x.dim(2), Dim(heads));
  if (!size) call.fail(fmt::format("{} elements are not a multiple of {} heads", to_string(x.dim(2)), heads));
  return transpose(reshape(x, {x.dim(0), x.dim(1), Dim(heads), *size}), {0, 2, 1, 3});
}

// Each head `times` over: h0, h0, h1, h1, ...
Var repeat_heads(Var x, int64_t times) {
  if (times == 1) return x;
  const Var wide = broadcast_to(expand_dims(x, 2), {x.dim(0), x.dim(1), Dim(times), x.dim(2), x.dim(3)});
  return reshape(wide, {x.dim(0), x.dim(1) * Dim(times), x.dim(2), x.dim(3)});
}

struct Attention {
  NodeCall& call;
  Var q, k, v;
  bool flat = false;  // operands of three axes
  Var present_key, present_value;
  Var offset;  // valid keys before this block of queries: a number, or one per batch [batch, 1, 1, 1]

  explicit Attention(NodeCall& c) : call(c), q(c.in(0)), k(c.in(1)), v(c.in(2)) {
    if (q.rank() != k.rank() || q.rank() != v.rank() || (q.rank() != 3 && q.rank() != 4))
      call.fail("operands must have three or four axes");
    flat = q.rank() == 3;
    if (flat) {
      const int64_t heads = call.integer("q_num_heads", 0), kv_heads = call.integer("kv_num_heads", 0);
      q = split_heads(call, q, heads), k = split_heads(call, k, kv_heads), v = split_heads(call, v, kv_heads);
    }
    if (call.has(4) != call.has(5)) call.fail("past_key and past_value go together");
    if (call.has(6) && call.has(4)) call.fail("nonpad_kv_seqlen does not go with past_key");
    offset = scalar(call.graph(), DType::kInt64, 0);
    if (call.has(4)) {
      offset = size_scalar(call.graph(), call.in(4).dim(2), DType::kInt64);
      k = concat({call.in(4), k}, 2);
      v = concat({call.in(5), v}, 2);
    }
    present_key = k, present_value = v;
    if (call.has(6)) offset = valid_keys() - size_scalar(call.graph(), q.dim(2), DType::kInt64);
    if (!q.dim(1).known() || !k.dim(1).known() || k.dim(1) == Dim(0) || q.dim(1).value() % k.dim(1).value() != 0)
      call.fail(fmt::format("{} heads of queries do not share {} heads of keys", to_string(q.dim(1)), to_string(k.dim(1))));
    const int64_t times = q.dim(1).value() / k.dim(1).value();
    k = repeat_heads(k, times), v = repeat_heads(v, times);
  }

  Var valid_keys() {
    const Var n = cast(call.in(6), DType::kInt64);
    return reshape(n, {n.dim(0), 1, 1, 1});
  }

  Var query_places() { return iota(call.graph(), DType::kInt64, {q.dim(2), Dim(1)}, 0); }
  Var key_places() { return iota(call.graph(), DType::kInt64, {Dim(1), k.dim(2)}, 1); }
  Var bias_of(Var allowed) { return select(allowed, scalar(call.graph(), q.dtype(), 0), scalar(call.graph(), q.dtype(), -kInf)); }

  // What is added to the scores: 0, -inf where a key is not to be seen, or the mask's numbers. Invalid: nothing.
  Var bias() {
    Var sum;
    const auto join = [&](Var more) { sum = sum.valid() ? sum + more : more; };
    if (call.has(3)) {
      Var mask = call.in(3);
      if (mask.dtype() == DType::kBool) mask = bias_of(mask);
      mask = cast(mask, q.dtype());
      if (mask.rank() < 1 || mask.rank() > 4) call.fail("the mask must have up to four axes");
      // A mask that is too short hides the keys behind its end.
      if (mask.dim(-1) != k.dim(2) && mask.dim(-1) != Dim(1)) {
        Shape before(static_cast<size_t>(mask.rank()), Dim(0)), after = before;
        after.back() = k.dim(2) - mask.dim(-1);
        mask = pad(mask, before, after, -kInf);
      }
      join(mask);
    }
    if (call.integer("is_causal", 0) != 0) join(bias_of(less_equal(key_places(), query_places() + offset)));
    const int64_t left = call.integer("left_window_size", -1), right = call.integer("right_window_size", -1);
    const Var distance = left >= 0 || right >= 0 ? query_places() + offset - key_places() : Var{};
    if (left >= 0) join(bias_of(less_equal(distance, static_cast<double>(left))));
    if (right >= 0) join(bias_of(greater_equal(distance, static_cast<double>(-right))));
    if (call.has(6)) join(bias_of(less(key_places(), valid_keys())));
    return sum;
  }

  Var merge_heads(Var y) const { return flat ? reshape(transpose(y, {0, 2, 1, 3}), {y.dim(0), y.dim(2), y.dim(1) * y.dim(3)}) : y; }

  double scale() {
    if (call.has_attribute("scale")) return call.real("scale");
    return 1 / std::sqrt(static_cast<double>(known_shape(call, {q.dim(3)}, "the size of a head")[0]));
  }
};

OnnxValues import_attention(NodeCall& call) {
  Attention a(call);
  const double root = std::sqrt(a.scale());
  Var scores = matmul(a.q * root, a.k * root, false, true);
  const int64_t mode = call.integer("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3) call.fail(fmt::format("qk_matmul_output_mode {} is not known", mode));
  const Var raw = scores;
  if (const double cap = call.real("softcap", 0); cap > 0) scores = tanh(scores / cap) * cap;
  const Var capped = scores, bias = a.bias();
  if (bias.valid()) scores = scores + bias;
  const Var biased = scores;
  Var p = softmax(scores, -1);
  // A query that may see no key attends to nothing.
  if (bias.valid()) p = select(equal(reduce_max(bias, {-1}, true), -kInf), 0.0, p);
  const Var stages[] = {raw, capped, biased, p};
  return {a.merge_heads(matmul(p, a.v)), a.present_key, a.present_value, stages[mode]};
}

OnnxValues import_rotary_embedding(NodeCall& call) {
  Var x = call.in(0), cosine = call.in(1), sine = call.in(2);
  const bool flat = x.rank() == 3;
  if (flat)
    x = split_heads(call, x, call.integer("num_heads", 0));
  else if (x.rank() != 4)
    call.fail("takes an operand of three or four axes");
  const int64_t size = known_shape(call, {x.dim(3)}, "the size of a head")[0], given = call.integer("rotary_embedding_dim", 0);
  const int64_t width = given == 0 ? size : given;
  if (width < 0 || width > size || width % 2 != 0) call.fail(fmt::format("rotary_embedding_dim {} does not fit heads of {}", width, size));
  if (call.has(3)) {
    cosine = gather(cosine, call.in(3), 0);
    sine = gather(sine, call.in(3), 0);
  }
  if (cosine.rank() != 3 || sine.rank() != 3 || cosine.dim(2) != Dim(width / 2) || sine.dim(2) != Dim(width / 2))
    call.fail(fmt::format("the caches of shapes {} and {} do not fit {} rotated elements", to_string(cosine.shape()),
                          to_string(sine.shape()), width));
  cosine = expand_dims(cosine, 1), sine = expand_dims(sine, 1);  // [batch, 1, time, width / 2]
  const bool interleaved = call.integer("interleaved", 0) != 0;
  const Var first = interleaved ? slice_axis(x, 3, 0, width / 2, 2) : slice_axis(x, 3, 0, width / 2);
  const Var second = interleaved ? slice_axis(x, 3, 1, width / 2, 2) : slice_axis(x, 3, width / 2, width / 2);
  const Var real = cosine * first - sine * second, imaginary = sine * first + cosine * second;
  Var y = interleaved ? reshape(concat({expand_dims(real, 4), expand_dims(imaginary, 4)}, 4), {x.dim(0), x.dim(1), x.dim(2), Dim(width)})
                      : concat({real, imaginary}, 3);
  if (width < size) y = concat({y, slice_axis(x, 3, width, size - width)}, 3);
  if (flat) y = reshape(transpose(y, {0, 2, 1, 3}), call.in(0).shape());
  return {y};
}

constexpr OpRow kAttentionRows[] = {
    {"Attention", 23, import_attention},
    {"RotaryEmbedding", 23, import_rotary_embedding},
};

}  // namespace

std::span<const OpRow> onnx_rows_attention() { return kAttentionRows; }

}  // namespace dl::onnx
