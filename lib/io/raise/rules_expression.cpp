// What no other layer gives: a weight beside each element as an EinsumDense; single operators as expressions, which files of layers hold
// as functions of Keras.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "graph/op_def.h"
#include "io/raise/rules.h"
#include "io/raise/terms.h"
#include "layers/array_node.h"
#include "ops/builders.h"
#include "ops/ops.h"

namespace dl::raise {
namespace {

using SpecNode = spec::Node;

// One operator as text over x0, x1, ... and the arrays c0, c1, ...
class Expression {
 public:
  explicit Expression(const Site& site) : site_(site), node_(site.node(site.root())) {}

  void propose(std::vector<Proposal>& proposals) {
    if (site_.root().index != 0 || node_.types.size() != 1) return;
    const std::string text = write();
    if (text.empty() || failed_ || operands_.empty()) return;
    SpecNode config = map_of({{"expression", SpecNode::string(text)}});
    if (!constants_.empty()) config.set("constants", SpecNode::list(constants_));
    proposals.push_back({"Lambda", std::move(config), operands_});
  }

 private:
  std::string write() {
    const OpDef* op = node_.op;
    const Attrs& attrs = node_.attrs;
    if (op == &op_select) return fmt::format("where({}, {}, {})", operand(0), operand(1), operand(2));
    if (op->kind == OpKind::kElementwise && op != &op_cast) return elementwise();
    if (op == &op_cast) return fmt::format("{}({})", dl::name_of(node_.types[0].dtype), operand(0));
    if (op == &op_matmul && !attrs.flag("transpose_a") && !attrs.flag("transpose_b"))
      return fmt::format("matmul({}, {})", operand(0), operand(1));
    if (op == &op_transpose) return fmt::format("transpose({}, [{}])", operand(0), fmt::join(attrs.integers("perm"), ", "));
    if (op == &op_reshape) return reshaped();
    if (op == &op_broadcast_to) return repeated();
    if (op == &op_slice) return cut();
    if (op == &op_pad) return padded();
    if (op == &op_concat) return joined();
    if (op == &op_gather) return fmt::format("take({}, {}, {})", operand(0), operand(1), attrs.integer("axis"));
    if (op == &op_gather_elements) return fmt::format("take_along_axis({}, {}, {})", operand(0), operand(1), attrs.integer("axis"));
    if (op == &op_cumsum) return accumulated();
    if (op == &op_arg_max) return fmt::format("argmax({}, axis={})", operand(0), attrs.integer("axis"));
    if (op == &op_softmax || op == &op_log_softmax) return fmt::format("{}({}, axis={})", op->name, operand(0), attrs.integer("axis"));
    return reduced();
  }

  // x2 of an operand that depends on the inputs, a number, or c1.
  std::string operand(size_t i) {
    const Value v = node_.inputs.at(i);
    if (!site_.is_weight(v)) {
      const auto number = static_cast<size_t>(std::find(operands_.begin(), operands_.end(), v) - operands_.begin());
      if (number == operands_.size()) operands_.push_back(v);
      return fmt::format("x{}", number);
    }
    const Tensor& value = site_.tensor(v);
    const bool indices = node_.op == &op_gather;
    if (value.size() == 1 && !indices) return number(value);
    const std::optional<SpecNode> array = array_node(value);
    if (!array) failed_ = true;
    constants_.push_back(array.value_or(SpecNode()));
    return fmt::format("c{}", constants_.size() - 1);
  }

  std::string number(const Tensor& value) {
    const double n = value.at(0);
    if (std::isnan(n)) failed_ = true;
    if (!is_float(value.dtype())) return fmt::format("({})", static_cast<int64_t>(n));
    if (std::isinf(n)) return n > 0 ? "(1e39)" : "(-1e39)";  // beyond float32
    const std::string text = value.dtype() == DType::kFloat64 ? fmt::format("{}", n) : fmt::format("{}", static_cast<float>(n));
    return fmt::format("({}{})", text, text.find_first_of(".e") == std::string::npos ? ".0" : "");
  }

  std::string elementwise() {
    if (node_.inputs.size() == 1) return fmt::format("{}({})", node_.op->name, operand(0));
    if (node_.inputs.size() != 2) return "";
    static const std::pair<const OpDef*, const char*> kSigns[] = {{&op_add, "+"}, {&op_sub, "-"}, {&op_mul, "*"}, {&op_div, "/"}};
    for (const auto& [op, sign] : kSigns)
      if (node_.op == op) return fmt::format("{} {} {}", operand(0), sign, operand(1));
    return fmt::format("{}({}, {})", node_.op->name, operand(0), operand(1));
  }

  std::string reduced() {
    static const std::pair<const OpDef*, const char*> kNames[] = {
        {&op_reduce_sum, "sum"}, {&op_reduce_max, "max"}, {&op_reduce_min, "min"}, {&op_reduce_prod, "prod"}};
    for (const auto& [op, name] : kNames)
      if (node_.op == op)
        return fmt::format("{}({}, axis=[{}]{})", name, operand(0), fmt::join(node_.attrs.integers("axes"), ", "),
                           node_.attrs.flag("keepdims") ? ", keepdims=1" : "");
    return "";
  }

  std::string reshaped() {
    Ints sizes;
    for (const Dim& size : node_.types[0].shape) sizes.push_back(size.known() ? size.value() : -1);
    if (std::count(sizes.begin(), sizes.end(), -1) > 1) return "";
    return fmt::format("reshape({}, [{}])", operand(0), fmt::join(sizes, ", "));
  }

  std::string repeated() {
    const Shape &from = site_.shape(node_.inputs[0]), &to = node_.types[0].shape;
    if (from.size() != to.size()) return "";
    Ints times;
    for (size_t i = 0; i < to.size(); ++i) {
      if (!(from[i] == to[i]) && !to[i].known()) return "";
      times.push_back(from[i] == to[i] ? 1 : to[i].value());
    }
    return fmt::format("tile({}, [{}])", operand(0), fmt::join(times, ", "));
  }

  // One slice for each axis that is cut, the last axis first.
  std::string cut() {
    const Shape &starts = node_.attrs.shape("starts"), &sizes = node_.attrs.shape("sizes"), &from = site_.shape(node_.inputs[0]);
    std::string text = operand(0);
    for (size_t i = from.size(); i-- > 0;) {
      const bool backwards = node_.attrs.integers("steps")[i] < 0;
      const int64_t step = std::abs(node_.attrs.integers("steps")[i]);
      const Dim start = backwards ? from[i] - Dim(1) - starts[i] : starts[i], rest = from[i] - start;
      if (backwards) text = fmt::format("reverse({}, {})", text, i);
      if (start == Dim(0) && sizes[i] == from[i] && step == 1) continue;
      std::string range;
      if (start.known() && sizes[i].known()) {
        range = fmt::format("{}, {}", start.value(), start.value() + (sizes[i].value() - 1) * step + 1);
      } else if (step == 1 && start.known() && (rest - sizes[i]).known()) {
        const int64_t behind = (rest - sizes[i]).value();
        range = fmt::format("{}{}", start.value(), behind ? fmt::format(", {}", -behind) : "");
      } else if (step == 1 && rest.known() && sizes[i].known()) {
        const int64_t behind = rest.value() - sizes[i].value();
        range = fmt::format("{}{}", -rest.value(), behind ? fmt::format(", {}", -behind) : "");
      } else {
        return "";
      }
      text = fmt::format("slice({}, {}, {}{})", text, i, range, step == 1 ? "" : fmt::format(", step={}", step));
    }
    return text;
  }

  std::string padded() {
    const Shape &before = node_.attrs.shape("before"), &after = node_.attrs.shape("after");
    const Ints& interior = node_.attrs.integers("interior");
    const bool gaps = std::any_of(interior.begin(), interior.end(), [](int64_t n) { return n != 0; });
    if (gaps || !all_known(before) || !all_known(after) || !std::isfinite(node_.attrs.real("value"))) return "";
    Tensor value(DType::kFloat32, {});
    value.set(0, node_.attrs.real("value"));
    const Ints b = known_dims(before), a = known_dims(after);
    if (*std::min_element(b.begin(), b.end()) < 0 || *std::min_element(a.begin(), a.end()) < 0) return "";
    return fmt::format("pad({}, [{}], [{}], {})", operand(0), fmt::join(b, ", "), fmt::join(a, ", "), number(value));
  }

  std::string accumulated() {
    if (node_.attrs.flag("exclusive") || node_.attrs.flag("reverse")) return "";
    return fmt::format("cumsum({}, {})", operand(0), node_.attrs.integer("axis"));
  }

  std::string joined() {
    std::vector<std::string> parts;
    for (size_t i = 0; i < node_.inputs.size(); ++i) parts.push_back(operand(i));
    return fmt::format("concat([{}], axis={})", fmt::join(parts, ", "), node_.attrs.integer("axis"));
  }

  const Site& site_;
  const Node& node_;
  std::vector<Value> operands_;
  std::vector<SpecNode> constants_;
  bool failed_ = false;
};

// The weight beside `x` in a sum or product, spread over x or beyond it.
struct Beside {
  Value x, weight;
};

std::optional<Beside> beside(const Site& site, Value v, const OpDef* op) {
  if (site.op(v) != op) return std::nullopt;
  const auto x = site.beside_weight(v);
  if (!x) return std::nullopt;
  const Value weight = site.operand(v, site.operand(v, 0) == *x ? 1 : 0);
  const Shape &whole = site.shape(v), &shape = site.shape(weight);
  const bool fits = site.shape(*x).size() == whole.size() && shape.size() <= whole.size() && site.tensor(weight).size() > 1 &&
                    is_float(site.dtype(v)) && !(shape.size() == whole.size() && !(shape[0] == Dim(1)));
  return fits ? std::optional(Beside{*x, weight}) : std::nullopt;
}

// Whether the weight has an own number for each index of `axis` of the result.
bool varies(const Shape& weight, size_t rank, size_t axis) {
  return axis + weight.size() >= rank && !(weight[axis + weight.size() - rank] == Dim(1));
}

}  // namespace

// x * w + b for weights of any axes but the batch. Where the result is larger than x, its new sizes are those of the kernel.
void rule_elementwise_weights(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  const std::optional<Beside> sum = beside(site, root, &op_add);
  const std::optional<Beside> product = sum ? beside(site, sum->x, &op_mul) : beside(site, root, &op_mul);
  const auto add = [&](const std::optional<Beside>& factor) {
    const Value x = factor ? factor->x : sum->x;
    const Shape &from = site.shape(x), &to = site.shape(root);
    const size_t rank = to.size();
    if (rank < 2 || rank > 20 || !(from[0] == to[0]) || (factor && sum && site.shape(sum->x) != to)) return;
    std::string in, kernel, out, bias_axes;
    Shape kernel_shape, bias_shape;
    for (size_t i = 0; i < rank; ++i) {
      const bool grows = !(from[i] == to[i]);
      in += static_cast<char>('a' + i);
      out += static_cast<char>((grows ? 'A' : 'a') + i);
      const bool in_kernel = grows || (factor ? varies(site.shape(factor->weight), rank, i) : i + 1 == rank);
      const bool in_bias = sum && varies(site.shape(sum->weight), rank, i);
      if ((in_kernel || in_bias) && (i == 0 || !to[i].known())) return;
      if (in_kernel) kernel += out.back(), kernel_shape.push_back(to[i]);
      if (in_bias) bias_axes += out.back();
      if (!bias_axes.empty()) bias_shape.push_back(in_bias ? to[i] : Dim(1));
    }
    std::vector<SpecNode> sizes;
    for (size_t i = 1; i < rank; ++i) sizes.push_back(to[i].known() ? SpecNode::integer(to[i].value()) : SpecNode::null());
    SpecNode config = map_of(
        {{"equation", SpecNode::string(fmt::format("{},{}->{}", in, kernel, out))}, {"output_shape", SpecNode::list(std::move(sizes))}});
    if (sum) config.set("bias_axes", SpecNode::string(bias_axes));
    Proposal proposal{"EinsumDense", std::move(config), {x}};
    // The kernel as it stands in the graph: its axes among those of the result.
    Shape spread;
    for (size_t i = 0; i < rank; ++i)
      if (!spread.empty() || kernel.find(out[i]) != std::string::npos)
        spread.push_back(kernel.find(out[i]) != std::string::npos ? to[i] : Dim(1));
    const bool scaled = factor.has_value(), moved = sum.has_value();
    proposal.spelling = scaled ? "elements" : "sum";
    proposal.spelled = [type = TensorType{site.dtype(x), from}, kernel_shape, bias_shape, spread, scaled, moved] {
      Program program;
      Var y = input(program.graph, "x0", type);
      program.inputs.push_back({"x0", y.value});
      const auto weight = [&](const char* name, const Shape& shape) {
        const Var w = parameter(program.graph, name, {type.dtype, shape});
        program.parameters.push_back({name, w.value, true, {}});
        return w;
      };
      if (scaled) y = y * reshape(weight("layer/kernel", kernel_shape), spread);
      if (moved) y = y + weight("layer/bias", bias_shape);
      program.outputs.push_back({"layer", y.value});
      return program;
    };
    if (!scaled) {
      Tensor ones(site.dtype(x), known_dims(kernel_shape));
      for (int64_t i = 0; i < ones.size(); ++i) ones.set(i, 1);
      proposal.given["layer/kernel"] = ones;
    }
    proposals.push_back(std::move(proposal));
  };
  if (product) add(product);
  if (sum) add(std::nullopt);
}

void rule_expression(const Site& site, std::vector<Proposal>& proposals) {
  if (site.op(site.root()) == &op_mul)  // a sum over its count
    for (const Value sum : site.node(site.root()).inputs) {
      if (site.op(sum) != &op_reduce_sum) continue;
      const Attrs& attrs = site.node(sum).attrs;
      const std::string text =
          fmt::format("mean(x0, axis=[{}]{})", fmt::join(attrs.integers("axes"), ", "), attrs.flag("keepdims") ? ", keepdims=1" : "");
      proposals.push_back({"Lambda", map_of({{"expression", SpecNode::string(text)}}), {site.operand(sum, 0)}});
    }
  Expression(site).propose(proposals);
}

}  // namespace dl::raise
