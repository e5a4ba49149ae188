#include <algorithm>
#include <numeric>
#include <vector>

#include "graph/op_def.h"
#include "io/onnx/export_graph.h"
#include "io/onnx/export_prepare.h"
#include "io/onnx/export_rows.h"
#include "ops/builders.h"
#include "ops/ops.h"

namespace dl::onnx_export {
namespace {

// result axis i is axis perm[i]
Ints to_first(size_t rank) {
  Ints perm = {0, static_cast<int64_t>(rank) - 1};
  for (size_t i = 1; i + 1 < rank; ++i) perm.push_back(static_cast<int64_t>(i));
  return perm;
}
Ints to_last(size_t rank) {
  Ints perm = {0};
  for (size_t i = 2; i < rank; ++i) perm.push_back(static_cast<int64_t>(i));
  perm.push_back(1);
  return perm;
}

template <class List>
List permuted(const List& values, const Ints& perm) {
  List result;
  for (int64_t axis : perm) result.push_back(values[static_cast<size_t>(axis)]);
  return result;
}

// Does the permutation move nothing but axes of size 1?
bool moves_only_ones(const Shape& shape, const Ints& perm) {
  Ints rest;
  for (int64_t axis : perm)
    if (!(shape[static_cast<size_t>(axis)] == Dim(1))) rest.push_back(axis);
  return std::is_sorted(rest.begin(), rest.end());
}

// Does a Reshape to these sizes need no more than numbers, with one of them open?
bool is_plain_reshape(const Shape& from, const Shape& to) {
  int open = 0;
  for (size_t i = 0; i < to.size(); ++i) open += !to[i].known() && !(i < from.size() && from[i] == to[i]);
  return open <= 1;
}

Var permute(Var x, Ints perm) {
  Graph& graph = *x.graph;
  while (graph.node(x.value).op == &op_transpose) {
    const Node& node = graph.node(x.value);
    perm = permuted(node.attrs.integers("perm"), perm);
    x.value = node.inputs[0];
  }
  if (std::is_sorted(perm.begin(), perm.end())) return x;
  const Shape shape = permuted(x.shape(), perm);
  if (!moves_only_ones(x.shape(), perm) || !is_plain_reshape(x.shape(), shape)) return transpose(x, perm);
  while (graph.node(x.value).op == &op_reshape) x.value = graph.node(x.value).inputs[0];
  return reshape(x, shape);
}

bool is_window(const Node& node) {
  return node.op == &op_conv || node.op == &op_conv_input_grad || node.op == &op_max_pool || node.op == &op_avg_pool;
}

// Operators that see no axes.
bool is_pointwise(const Node& node) {
  return node.op->kind == OpKind::kElementwise || node.op == &op_cast || node.op == &op_stop_gradient || node.op == &op_gelu ||
         node.op == &op_silu;
}

bool is_reduction(const Node& node) {
  return node.op == &op_reduce_sum || node.op == &op_reduce_max || node.op == &op_reduce_min || node.op == &op_reduce_prod;
}

// Images come channels-first already, as in a file of another framework.
bool is_channels_first(const Program& program) {
  bool first = false;
  for (uint32_t n = 0; n < program.graph.size(); ++n)
    if (const Node& node = program.graph.node(n); is_window(node)) {
      if (!node.attrs.flag("channels_first")) return false;
      first = true;
    }
  return first;
}

class LayoutPass {
 public:
  LayoutPass(const Program& program, Layout layout)
      : old_(program.graph), program_(program), layout_(layout), channels_first_(is_channels_first(program)) {}

  Program run() {
    forms_.resize(old_.size());
    std::vector<char> keep = live_nodes(program_);
    for (const auto& i : program_.inputs) keep[i.value.node] = 1;
    for (const auto& p : program_.parameters) keep[p.value.node] = 1;
    for (uint32_t n = 0; n < old_.size(); ++n)
      if (keep[n]) move_node(n);
    for (const NamedValue& i : program_.inputs) result_.inputs.push_back({i.name, inputs_.at(i.value)});
    for (const NamedValue& o : program_.outputs) result_.outputs.push_back({o.name, output(o.value).value});
    for (const Parameter& p : program_.parameters) {
      result_.parameters.push_back(p);
      result_.parameters.back().value = plain(p.value).value;
    }
    return std::move(result_);
  }

 private:
  // The same value in both orders of axes; at least one is valid. `native`: the one it was computed in is `first`.
  struct Forms {
    Var plain, first;
    bool native = false;
  };

  const Shape& shape(Value v) const { return old_.type(v).shape; }
  Forms& forms(Value v) { return forms_[v.node].at(v.index); }
  bool native(Value v) { return forms(v).native; }

  Var plain(Value v) {
    Forms& f = forms(v);
    if (!f.plain.valid()) f.plain = permute(f.first, to_last(shape(v).size()));
    return f.plain;
  }
  Var first(Value v) {
    Forms& f = forms(v);
    if (!f.first.valid()) f.first = permute(f.plain, to_first(shape(v).size()));
    return f.first;
  }
  // An operand that broadcasts to `rank` axes, channels-first.
  Var first_operand(Value v, size_t rank) {
    if (shape(v).size() == rank) return first(v);
    if (shape(v).empty()) return plain(v);
    Shape wide(rank - shape(v).size(), Dim(1));
    wide.insert(wide.end(), shape(v).begin(), shape(v).end());
    return permute(reshape(plain(v), wide), to_first(rank));
  }
  bool turns(Value v, const Ints& perm) const {
    const Node& node = old_.node(v);
    return node.op == &op_transpose && node.attrs.integers("perm") == perm;
  }
  // Images come channels-first in such a program, but for inputs that are turned at once and outputs that were.
  bool is_first_input(Value v) const {
    for (uint32_t n = 0; n < old_.size(); ++n)
      if (turns({n, 0}, to_first(4)) && old_.node(n).inputs[0] == v) return false;
    return channels_first_;
  }
  Var output(Value v) {
    if (shape(v).size() != 4 || layout_ == Layout::kKeep) return plain(v);
    const bool is_first = channels_first_ && !turns(v, to_last(4)), wants_first = layout_ == Layout::kNchw;
    if (is_first == wants_first) return plain(v);
    return wants_first ? first(v) : permute(plain(v), to_last(4));
  }

  void set_first(uint32_t n, Var y) { forms_[n] = {{Var{}, y, true}}; }
  void set_plain(uint32_t n, Var y) { forms_[n] = {{y, Var{}, false}}; }
  Var add(const Node& node, const std::vector<Var>& inputs, Attrs attrs) { return add_op(*node.op, inputs, std::move(attrs)); }

  void move_node(uint32_t n) {
    const Node& node = old_.node(n);
    result_.graph.set_scope(old_.scope_name(node.scope));
    if (node.op == &op_input) return move_input(n, node);
    if (move_first(n, node)) return;
    std::vector<Value> operands;
    for (Value v : node.inputs) operands.push_back(plain(v).value);
    const Value y = result_.graph.add(*node.op, operands, node.attrs);
    for (uint32_t k = 0; k < node.types.size(); ++k) forms_[n].push_back({{&result_.graph, {y.node, k}}, Var{}, false});
  }

  void move_input(uint32_t n, const Node& node) {
    const std::string& name = node.attrs.text("name");
    const TensorType& type = node.types[0];
    const bool image = type.shape.size() == 4;
    const bool is_first = image && is_first_input({n, 0}), wants_first = layout_ == Layout::kNchw;
    const bool other = image && layout_ != Layout::kKeep && is_first != wants_first;
    const Ints perm = wants_first ? to_first(4) : to_last(4);
    const Var x = dl::input(result_.graph, name, {type.dtype, other ? permuted(type.shape, perm) : type.shape});
    inputs_[{n, 0}] = x.value;
    if (other && wants_first)
      set_first(n, x);
    else
      set_plain(n, other ? permute(x, to_first(4)) : x);
  }

  // The node on channels-first operands; false where it stays as it is.
  bool move_first(uint32_t n, const Node& node) {
    const Value x = node.inputs.empty() ? Value{} : node.inputs[0];
    const size_t rank = node.types[0].shape.size();
    if (is_window(node)) return move_window(n, node);
    if (node.op == &op_batch_norm_infer) return move_batch_norm(n, node);
    if (node.op == &op_reshape) return move_reshape(n, node);
    const bool any = std::any_of(node.inputs.begin(), node.inputs.end(), [&](Value v) { return native(v) && shape(v).size() == rank; });
    if (is_pointwise(node) && any) {
      std::vector<Var> operands;
      for (Value v : node.inputs) operands.push_back(first_operand(v, rank));
      set_first(n, add(node, operands, node.attrs));
      return true;
    }
    if (node.op == &op_concat && any) {
      std::vector<Var> operands;
      for (Value v : node.inputs) operands.push_back(first(v));
      set_first(n, concat(operands, axis_first(node.attrs.integer("axis"), rank)));
      return true;
    }
    if (!x.valid() || !native(x)) return false;
    if (is_reduction(node) || node.op == &op_arg_max) return move_reduction(n, node);
    if (node.op == &op_transpose) {
      set_plain(n, permute(first(x), permuted(to_last(rank), node.attrs.integers("perm"))));
      return true;
    }
    return any && move_attributes(n, node);
  }

  static int64_t axis_first(int64_t axis, size_t rank) {
    const Ints perm = to_first(rank);
    return std::find(perm.begin(), perm.end(), axis) - perm.begin();
  }

  bool move_window(uint32_t n, const Node& node) {
    if (node.attrs.flag("channels_first")) return false;
    const size_t rank = node.types[0].shape.size();
    Attrs attrs = node.attrs;
    attrs.set("channels_first", int64_t{1});
    if (attrs.has("x_shape")) attrs.set("x_shape", permuted(node.attrs.shape("x_shape"), to_first(rank)));
    std::vector<Var> operands = {first(node.inputs[0])};
    if (node.inputs.size() > 1) operands.push_back(plain(node.inputs[1]));
    set_first(n, add(node, operands, std::move(attrs)));
    return true;
  }

  bool move_batch_norm(uint32_t n, const Node& node) {
    const size_t rank = node.types[0].shape.size();
    if (rank < 3) return false;
    const int64_t axis = node.attrs.integer("axis");
    const bool last = axis == static_cast<int64_t>(rank) - 1;
    if (!last && !native(node.inputs[0])) return false;
    Attrs attrs = node.attrs;
    attrs.set("axis", axis_first(axis, rank));
    std::vector<Var> operands = {first(node.inputs[0])};
    for (size_t i = 1; i < node.inputs.size(); ++i) operands.push_back(plain(node.inputs[i]));
    set_first(n, add(node, operands, std::move(attrs)));
    return true;
  }

  bool move_reshape(uint32_t n, const Node& node) {
    if (const auto repeat = repeat_of(old_, {n, 0}); repeat && native(repeat->x)) {
      const Var x = first(repeat->x);
      const auto axis = static_cast<size_t>(axis_first(static_cast<int64_t>(repeat->axis), shape(repeat->x).size()));
      Shape wide = x.shape(), merged = x.shape();
      wide.insert(wide.begin() + static_cast<int64_t>(axis) + 1, Dim(repeat->times));
      merged[axis] = merged[axis] * Dim(repeat->times);
      set_first(n, reshape(broadcast_to(expand_dims(x, static_cast<int64_t>(axis) + 1), wide), merged));
      return true;
    }
    const Value x = node.inputs[0];
    if (!native(x) || !moves_only_ones(shape(x), to_first(shape(x).size()))) return false;
    set_plain(n, reshape(first(x), node.types[0].shape));
    return true;
  }

  bool move_reduction(uint32_t n, const Node& node) {
    const Value x = node.inputs[0];
    const size_t rank = shape(x).size();
    if (node.op == &op_arg_max || !node.attrs.flag("keepdims")) {
      const Ints axes = node.op == &op_arg_max ? Ints{node.attrs.integer("axis")} : node.attrs.integers("axes");
      Ints rest;
      for (int64_t axis : to_first(rank))
        if (std::find(axes.begin(), axes.end(), axis) == axes.end()) rest.push_back(axis);
      if (!std::is_sorted(rest.begin(), rest.end())) return false;
    }
    Attrs attrs = node.attrs;
    if (node.op == &op_arg_max) {
      attrs.set("axis", axis_first(node.attrs.integer("axis"), rank));
    } else {
      Ints axes;
      for (int64_t axis : node.attrs.integers("axes")) axes.push_back(axis_first(axis, rank));
      std::sort(axes.begin(), axes.end());
      attrs.set("axes", axes);
    }
    const Var y = add(node, {first(x)}, std::move(attrs));
    if (node.op != &op_arg_max && node.attrs.flag("keepdims"))
      set_first(n, y);
    else
      set_plain(n, y);
    return true;
  }

  // Operators of one operand whose attributes name axes.
  bool move_attributes(uint32_t n, const Node& node) {
    const size_t rank = node.types[0].shape.size();
    const Ints perm = to_first(rank);
    Attrs attrs = node.attrs;
    const auto permute_shapes = [&](std::initializer_list<const char*> names) {
      for (const char* name : names) attrs.set(name, permuted(node.attrs.shape(name), perm));
    };
    const auto permute_ints = [&](const char* name) { attrs.set(name, permuted(node.attrs.integers(name), perm)); };
    if (node.op == &op_softmax || node.op == &op_log_softmax) {
      attrs.set("axis", axis_first(node.attrs.integer("axis"), rank));
    } else if (node.op == &op_slice) {
      permute_shapes({"starts", "sizes"});
      permute_ints("steps");
    } else if (node.op == &op_pad) {
      permute_shapes({"before", "after"});
      permute_ints("interior");
    } else if (node.op == &op_broadcast_to) {
      permute_shapes({"shape"});
    } else {
      return false;
    }
    set_first(n, add(node, {first(node.inputs[0])}, std::move(attrs)));
    return true;
  }

  const Graph& old_;
  const Program& program_;
  Program result_;
  std::vector<std::vector<Forms>> forms_;  // by node and output
  std::map<Value, Value> inputs_;
  Layout layout_;
  bool channels_first_;
};

}  // namespace

Program use_channels_first(const Program& program, Layout layout) { return LayoutPass(program, layout).run(); }

}  // namespace dl::onnx_export
