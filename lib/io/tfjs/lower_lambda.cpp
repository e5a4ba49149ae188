// Expressions (functions of Keras between layers, Lambda layers of ours) as far as TF.js has layers for them: arithmetic, activations,
// limits, sums and means.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "io/tfjs/lowerings.h"
#include "layers/activations.h"
#include "spec/expression.h"

namespace dl::tfjs {
namespace {

using spec::Expr;
using spec::Node;

// A number, or a value of the model.
struct Operand {
  std::optional<double> number;
  Ref ref = {};
};

class Expression {
 public:
  Expression(const Call& call, const std::vector<Ref>& inputs) : c_(call), inputs_(inputs) {}

  Operand lower(const Expr& e) const {
    switch (e.kind) {
      case Expr::Kind::kNumber:
        return {e.number};
      case Expr::Kind::kName:
        return name(e);
      case Expr::Kind::kUnary: {
        const Operand x = lower(e.args[0]);
        if (e.name == "+") return x;
        return x.number ? Operand{-*x.number} : of(c_.scale(x.ref, -1));
      }
      case Expr::Kind::kBinary:
        return binary(e.name, lower(e.args[0]), lower(e.args[1]));
      case Expr::Kind::kCall:
        return call(e);
      case Expr::Kind::kList:
        break;
    }
    refuse(spec::to_string(e));
  }

 private:
  static Operand of(Ref ref) { return {std::nullopt, std::move(ref)}; }
  [[noreturn]] static void refuse(const std::string& what) {
    throw UserError(fmt::format("its expression has {}, for which TF.js has no layer", what));
  }

  Operand name(const Expr& e) const {
    if (e.name == "x") return of(inputs_[0]);
    for (size_t i = 0; i < inputs_.size(); ++i)
      if (e.name == fmt::format("x{}", i)) return of(inputs_[i]);
    if (e.name == "pi") return {std::acos(-1.0)};
    if (e.name == "e") return {std::exp(1.0)};
    refuse(e.name);
  }

  // Where TF.js broadcasts alike: the same number of axes.
  Ref merge(const char* class_name, const Ref& a, const Ref& b) const {
    if (a.shape.size() != b.shape.size()) refuse(fmt::format("values of {} and {} axes", a.shape.size(), b.shape.size()));
    Shape shape = a.shape;
    for (size_t i = 0; i < shape.size(); ++i)
      if (shape[i] == Dim(1)) shape[i] = b.shape[i];
    return c_.add("merge", class_name, Node::map({}), {}, {a, b}, shape);
  }

  Operand binary(const std::string& sign, const Operand& a, const Operand& b) const {
    if (a.number && b.number) return {fold(sign, *a.number, *b.number)};
    if (sign == "+" && b.number) return of(c_.scale(a.ref, 1, *b.number));
    if (sign == "+" && a.number) return of(c_.scale(b.ref, 1, *a.number));
    if (sign == "+") return of(merge("Add", a.ref, b.ref));
    if (sign == "-" && b.number) return of(c_.scale(a.ref, 1, -*b.number));
    if (sign == "-" && a.number) return of(c_.scale(b.ref, -1, *a.number));
    if (sign == "-") return of(merge("Add", a.ref, c_.scale(b.ref, -1)));
    if (sign == "*" && b.number) return of(c_.scale(a.ref, *b.number));
    if (sign == "*" && a.number) return of(c_.scale(b.ref, *a.number));
    if (sign == "*") return of(merge("Multiply", a.ref, b.ref));
    if (sign == "/" && b.number) return of(c_.scale(a.ref, 1 / *b.number));
    if (sign == "**" && b.number) return of(power(a.ref, *b.number));
    refuse(fmt::format("'{}'", sign));
  }

  static double fold(const std::string& sign, double a, double b) {
    if (sign == "+") return a + b;
    if (sign == "-") return a - b;
    if (sign == "*") return a * b;
    if (sign == "/") return a / b;
    if (sign == "**") return std::pow(a, b);
    refuse(fmt::format("'{}'", sign));
  }

  Ref power(const Ref& x, double exponent) const {
    constexpr double kMost = 8;
    if (exponent != std::floor(exponent) || exponent < 1 || exponent > kMost) refuse(fmt::format("the power {}", exponent));
    Ref y = x;
    for (int i = 1; i < static_cast<int>(exponent); ++i) y = merge("Multiply", y, x);
    return y;
  }

  // max(x, c) is c + relu(x - c).
  Ref at_least(const Ref& x, double low) const { return low == 0 ? c_.relu(x) : c_.scale(c_.relu(c_.scale(x, 1, -low)), 1, low); }
  Ref at_most(const Ref& x, double high) const { return c_.scale(c_.relu(c_.scale(x, -1, high)), -1, high); }

  Operand extreme(const char* class_name, const Operand& a, const Operand& b) const {
    const bool largest = class_name == std::string_view("Maximum");
    if (a.number && b.number) return {largest ? std::max(*a.number, *b.number) : std::min(*a.number, *b.number)};
    if (!a.number && !b.number) return of(merge(class_name, a.ref, b.ref));
    const Ref& x = a.number ? b.ref : a.ref;
    const double limit = a.number ? *a.number : *b.number;
    return of(largest ? at_least(x, limit) : at_most(x, limit));
  }

  double number(const Expr& e) const {
    const Operand value = lower(e);
    if (!value.number) refuse(spec::to_string(e));
    return *value.number;
  }

  Operand call(const Expr& e) const {
    const std::string& f = e.name;
    if (f == "sum" || f == "mean" || f == "max") return of(reduce(e));
    if (const std::optional<Ref> moved = move(e)) return of(*moved);
    const bool positional = std::all_of(e.args.begin(), e.args.end(), [](const Expr& arg) { return arg.keyword.empty(); });
    if (!positional || e.args.empty()) refuse(spec::to_string(e));
    if ((f == "maximum" || f == "minimum") && e.args.size() == 2)
      return extreme(f == "maximum" ? "Maximum" : "Minimum", lower(e.args[0]), lower(e.args[1]));
    const Operand x = lower(e.args[0]);
    if (x.number) refuse(spec::to_string(e));
    if (f == "clip" && e.args.size() == 3) {
      const double low = number(e.args[1]), high = number(e.args[2]);
      if (low == 0) return of(c_.relu(x.ref, high));
      return of(c_.scale(c_.relu(c_.scale(x.ref, 1, -low), high - low), 1, low));
    }
    if (e.args.size() != 1) refuse(spec::to_string(e));
    if (f == "square") return of(power(x.ref, 2));
    if (f == "neg") return of(c_.scale(x.ref, -1));
    if (f == "abs") return of(merge("Add", c_.relu(x.ref), c_.relu(c_.scale(x.ref, -1))));
    if (f == "identity" || f == "stop_gradient") return x;
    const auto names = activation_names();
    if (std::find(names.begin(), names.end(), f) == names.end()) refuse(fmt::format("'{}'", f));
    return of(c_.activate(x.ref, f));
  }

  // ---- functions that move elements; the batch stays the first axis

  static const Expr* argument(const Expr& e, size_t position, std::string_view keyword) {
    if (const Expr* named = e.find(keyword)) return named;
    return position < e.args.size() && e.args[position].keyword.empty() ? &e.args[position] : nullptr;
  }

  Ref value(const Expr& e) const {
    Operand x = lower(e);
    if (x.number) refuse(spec::to_string(e));
    return std::move(x.ref);
  }

  // Of an axis; `rank` counts those of the result. The batch is refused.
  int64_t axis_of(const Expr* e, size_t rank, int64_t fallback) const {
    const auto n = e ? static_cast<int64_t>(number(*e)) : fallback;
    const int64_t axis = n < 0 ? n + static_cast<int64_t>(rank) : n;
    if (axis < 1 || axis >= static_cast<int64_t>(rank)) refuse("something done to the batch");
    return axis;
  }

  std::optional<Ref> move(const Expr& e) const {
    const std::string& f = e.name;
    if (f == "concat") {
      if (e.args[0].kind != Expr::Kind::kList || e.args[0].args.empty()) refuse(spec::to_string(e));
      std::vector<Ref> parts;
      for (const Expr& part : e.args[0].args) parts.push_back(value(part));
      return c_.concat(parts, axis_of(argument(e, 1, "axis"), parts[0].shape.size(), -1));
    }
    if (f == "matmul") {
      const Ref a = value(e.args[0]), b = value(e.args[1]);
      if (a.shape.size() != 3 || b.shape.size() != 3) refuse("a product of tensors that are no sequences");
      return c_.add("dot", "Dot", Node::map({{"axes", int_list({2, 1})}, {"normalize", Node::boolean(false)}}), {}, {a, b},
                    {a.shape[0], a.shape[1], b.shape[2]});
    }
    static constexpr std::string_view kMoves[] = {"expand_dims", "squeeze", "slice", "transpose", "swapaxes", "softmax", "log_softmax"};
    if (std::find(std::begin(kMoves), std::end(kMoves), f) == std::end(kMoves)) return std::nullopt;
    const Ref x = value(e.args[0]);
    const size_t rank = x.shape.size();
    Shape shape = x.shape;
    if (f == "expand_dims") {
      shape.insert(shape.begin() + axis_of(argument(e, 1, "axis"), rank + 1, -1), Dim(1));
      return c_.reshape(x, shape);
    }
    if (f == "squeeze") {
      const Expr* axis = argument(e, 1, "axis");
      if (!axis || axis->kind == Expr::Kind::kList) refuse(spec::to_string(e));
      shape.erase(shape.begin() + axis_of(axis, rank, -1));
      return c_.reshape(x, shape);
    }
    if (f == "softmax" || f == "log_softmax") {
      const int64_t axis = axis_of(argument(e, 1, "axis"), rank, -1), last = static_cast<int64_t>(rank) - 1;
      return c_.move_axis(c_.activate(c_.move_axis(x, axis, last), f), last, axis);
    }
    return f == "slice" ? slice(e, x) : c_.permute(x, permutation(e, rank));
  }

  std::vector<int64_t> permutation(const Expr& e, size_t rank) const {
    std::vector<int64_t> axes(rank);
    for (size_t i = 0; i < rank; ++i) axes[i] = static_cast<int64_t>(i);
    if (e.name == "swapaxes") {
      std::swap(axes[static_cast<size_t>(axis_of(&e.args[1], rank, 0))], axes[static_cast<size_t>(axis_of(&e.args[2], rank, 0))]);
      return axes;
    }
    if (e.args.size() != 2 || e.args[1].kind != Expr::Kind::kList || e.args[1].args.size() != rank || number(e.args[1].args[0]) != 0)
      refuse("something done to the batch");
    for (size_t i = 1; i < rank; ++i) axes[i] = axis_of(&e.args[1].args[i], rank, 0);
    return axes;
  }

  // The wanted elements of one axis, by a matrix of zeros and ones.
  Ref slice(const Expr& e, const Ref& x) const {
    const int64_t axis = axis_of(&e.args[1], x.shape.size(), -1);
    const int64_t size = known(x.shape[static_cast<size_t>(axis)], "the size of an axis of which a part is taken");
    const auto place = [size](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size); };
    const bool open = e.args.size() < 4 || &e.args[3] == e.find("step");
    const Expr* given = argument(e, 4, "step");
    const int64_t begin = place(static_cast<int64_t>(number(e.args[2]))), step = given ? static_cast<int64_t>(number(*given)) : 1;
    const int64_t end = open ? size : place(static_cast<int64_t>(number(e.args[3])));
    const int64_t count = (std::max<int64_t>(end - begin, 0) + step - 1) / step;
    if (count < 1) refuse("a part without elements");
    Tensor matrix(DType::kFloat32, {size, count});
    for (int64_t i = 0; i < count; ++i) matrix.data<float>()[(begin + i * step) * count + i] = 1;
    return c_.map_axis(x, axis, matrix);
  }

  // Over all axes but the batch that `axis` names: together they are the steps of a global pooling.
  Ref reduce(const Expr& e) const {
    const Operand x = lower(e.args[0]);
    if (x.number || e.args[0].keyword != "") refuse(spec::to_string(e));
    const auto rank = static_cast<int64_t>(x.ref.shape.size());
    const Expr* given = e.find("axis") ? e.find("axis") : e.args.size() > 1 && e.args[1].keyword.empty() ? &e.args[1] : nullptr;
    const Expr* keep = e.find("keepdims");
    if (!given) refuse(fmt::format("a {} over the batch", e.name));
    std::vector<int64_t> axes, order = {0}, others;
    for (const Expr& axis : given->kind == Expr::Kind::kList ? given->args : std::vector<Expr>{*given}) {
      const auto n = static_cast<int64_t>(number(axis));
      axes.push_back(n < 0 ? n + rank : n);
      if (axes.back() < 1 || axes.back() >= rank) refuse(fmt::format("a {} over the batch", e.name));
    }
    for (int64_t i = 1; i < rank; ++i)
      if (std::find(axes.begin(), axes.end(), i) == axes.end()) others.push_back(i);
    order.insert(order.end(), axes.begin(), axes.end());
    order.insert(order.end(), others.begin(), others.end());
    Dim steps(1), rest(1);
    Shape kept = x.ref.shape, left = {x.ref.shape[0]};
    for (const int64_t axis : axes) steps = steps * kept[static_cast<size_t>(axis)], kept[static_cast<size_t>(axis)] = Dim(1);
    for (const int64_t axis : others) rest = rest * kept[static_cast<size_t>(axis)], left.push_back(kept[static_cast<size_t>(axis)]);
    const Ref flat = c_.reshape(c_.permute(x.ref, order), {x.ref.shape[0], steps, rest});
    Ref y = c_.add("reduce", e.name == "max" ? "GlobalMaxPooling1D" : "GlobalAveragePooling1D", Node::map({}), {}, flat,
                   {x.ref.shape[0], rest});
    if (e.name == "sum") y = c_.scale(y, static_cast<double>(known(steps, "the sizes of the axes that are summed")));
    return c_.reshape(y, keep && number(*keep) != 0 ? kept : left);
  }

  const Call& c_;
  const std::vector<Ref>& inputs_;
};

}  // namespace

std::vector<Ref> lower_lambda(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>&) {
  const Operand result = Expression(c, in).lower(spec::parse_expression(c.config().text("expression")));
  if (result.number) throw UserError("gives a number that does not depend on its input, which TF.js cannot hold");
  return {result.ref};
}

}  // namespace dl::tfjs
