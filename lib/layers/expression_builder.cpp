#include "layers/expression_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <optional>
#include <vector>

#include "autodiff/gradient.h"
#include "base/error.h"
#include "layers/activations.h"
#include "layers/expression_functions.h"
#include "ops/builders.h"
#include "ops/indexing.h"
#include "ops/nn.h"
#include "spec/reader.h"

namespace dl {

using spec::Expr;

namespace {

// A number known while building, a value of the graph, or a list (an argument such as axis=[1, 2]).
struct Operand {
  std::optional<double> number;
  Var var = {};
  std::vector<Operand> items = {};
  bool is_list = false;
};

Operand number_operand(double value) { return {.number = value}; }
Operand var_operand(Var var) { return {.number = {}, .var = var}; }

[[noreturn]] void fail(const Expr& at, const std::string& message) {
  throw UserError(fmt::format("expression, column {}: {}", at.column, message));
}

struct UnaryRow {
  std::string_view name;
  Var (*build)(Var);
};
struct BinaryRow {
  std::string_view name;
  Var (*build)(Var, Var);
};

#define DL_UNARY(name, value, grad) {#name, static_cast<Var (*)(Var)>(&dl::name)},
#define DL_BINARY(name, value, grad_a, grad_b)
#define DL_COMPARE(name, value)
constexpr UnaryRow kUnary[] = {
#include "ops/elementwise.def"
    {"stop_gradient", &stop_gradient}, {"logical_not", &logical_not},
    {"zeros_like", &zeros_like},       {"ones_like", &ones_like},
    {"isnan", &expression::isnan},     {"isfinite", &expression::isfinite},
    {"log2", &expression::log2},       {"log10", &expression::log10},
    {"flatten", &expression::flatten}, {"det", &determinant},
};
#undef DL_UNARY
#undef DL_BINARY
#undef DL_COMPARE

#define DL_UNARY(name, value, grad)
#define DL_BINARY(name, value, grad_a, grad_b) {#name, static_cast<Var (*)(Var, Var)>(&dl::name)},
#define DL_COMPARE(name, value) {#name, static_cast<Var (*)(Var, Var)>(&dl::name)},
constexpr BinaryRow kBinary[] = {
#include "ops/elementwise.def"
    {"logical_and", &logical_and},
    {"logical_or", &logical_or},
    {"logical_xor", &expression::logical_xor},
    {"floor_divide", &expression::floor_divide},
    {"outer", &expression::outer},
};
#undef DL_UNARY
#undef DL_BINARY
#undef DL_COMPARE

struct ReductionRow {
  std::string_view name;
  Var (*build)(Var, std::vector<int64_t>, bool);
};
constexpr ReductionRow kReductions[] = {
    {"sum", &reduce_sum},
    {"mean", &reduce_mean},
    {"max", &reduce_max},
    {"min", &reduce_min},
    {"prod", &reduce_prod},
    {"var", &expression::variance},
    {"std", &expression::standard_deviation},
    {"norm", &expression::norm},
    {"logsumexp", &expression::logsumexp},
    {"any", &expression::any},
    {"all", &expression::all},
};

// Keras's words for functions that have a shorter name here.
constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"subtract", "sub"}, {"multiply", "mul"},   {"divide", "div"},         {"power", "pow"},
    {"negative", "neg"}, {"absolute", "abs"},   {"amax", "max"},           {"amin", "min"},
    {"arcsin", "asin"},  {"arccos", "acos"},    {"arctan", "atan"},        {"arctan2", "atan2"},
    {"flip", "reverse"}, {"arg_max", "argmax"}, {"clip_by_value", "clip"}, {"concatenate", "concat"}};

// Operators of the grammar, as the function that computes them.
constexpr std::pair<std::string_view, std::string_view> kInfix[] = {{"+", "add"},         {"-", "sub"},       {"*", "mul"},
                                                                    {"/", "div"},         {"**", "pow"},      {"<", "less"},
                                                                    {"<=", "less_equal"}, {">", "greater"},   {">=", "greater_equal"},
                                                                    {"==", "equal"},      {"!=", "not_equal"}};

template <class Row, size_t kCount>
const Row* find_row(const Row (&rows)[kCount], std::string_view name) {
  for (const Row& row : rows)
    if (row.name == name) return &row;
  return nullptr;
}

class Builder {
 public:
  Builder(Graph& graph, const std::map<std::string, Var>& variables) : graph_(graph), variables_(variables) {}

  Operand build(const Expr& e) {
    switch (e.kind) {
      case Expr::Kind::kNumber:
        return number_operand(e.number);
      case Expr::Kind::kName:
        return name(e);
      case Expr::Kind::kList: {
        Operand list;
        list.is_list = true;
        for (const Expr& item : e.args) list.items.push_back(build(item));
        return list;
      }
      case Expr::Kind::kUnary: {
        const Operand x = build(e.args[0]);
        if (e.name == "+") return x;
        return x.number ? number_operand(-*x.number) : var_operand(-value(x, e.args[0]));
      }
      case Expr::Kind::kBinary:
        return infix(e);
      case Expr::Kind::kCall:
        return call(e);
    }
    return {};
  }

  // A number becomes a scalar constant; of the type of `like` where there is one.
  Var value(const Operand& operand, const Expr& at, Var like = {}) {
    if (operand.is_list) fail(at, "a list is allowed as an argument such as axis=[1, 2] only");
    if (!operand.number) return operand.var;
    return scalar(graph_, like.valid() ? like.dtype() : default_dtype(), *operand.number);
  }

 private:
  DType default_dtype() const {
    for (const auto& [variable, var] : variables_)
      if (is_float(var.dtype())) return var.dtype();
    return DType::kFloat32;
  }

  Operand name(const Expr& e) {
    if (const auto found = variables_.find(e.name); found != variables_.end()) return var_operand(found->second);
    if (e.name == "pi") return number_operand(std::numbers::pi);
    if (e.name == "e") return number_operand(std::numbers::e);
    std::vector<std::string_view> names = {"pi", "e"};
    for (const auto& [variable, var] : variables_) names.emplace_back(variable);
    fail(e, fmt::format("unknown name '{}'{}", e.name, spec::suggestion(e.name, names)));
  }

  Operand infix(const Expr& e) {
    const Operand a = build(e.args[0]), b = build(e.args[1]);
    if (a.number && b.number) {
      if (e.name == "+") return number_operand(*a.number + *b.number);
      if (e.name == "-") return number_operand(*a.number - *b.number);
      if (e.name == "*") return number_operand(*a.number * *b.number);
      if (e.name == "/") return number_operand(*a.number / *b.number);
      if (e.name == "**") return number_operand(std::pow(*a.number, *b.number));
    }
    // Powers people write most: exact, and their gradient is defined for negative x.
    if (e.name == "**" && b.number && !a.number) {
      const Var x = value(a, e.args[0]);
      if (*b.number == 1) return a;
      if (*b.number == 2) return var_operand(square(x));
      if (*b.number == 3) return var_operand(x * square(x));
      if (*b.number == 0.5) return var_operand(sqrt(x));
      if (*b.number == -1) return var_operand(reciprocal(x));
    }
    for (const auto& [sign, function] : kInfix)
      if (sign == e.name) return var_operand(binary(*find_row(kBinary, function), a, b, e));
    fail(e, fmt::format("'{}' is not supported", e.name));
  }

  Var binary(const BinaryRow& row, const Operand& a, const Operand& b, const Expr& e) {
    const Var x = value(a, e.args[0], b.var), y = value(b, e.args[1], a.var);
    if (x.dtype() == y.dtype()) return row.build(x, y);
    // y_true of integers against y_pred of floats: the float type wins.
    const DType dtype = is_float(x.dtype()) ? x.dtype() : y.dtype();
    return row.build(cast(x, dtype), cast(y, dtype));
  }

  // ---- calls
  const Expr* argument(const Expr& e, size_t position, std::string_view keyword) const {
    if (const Expr* named = e.find(keyword)) return named;
    return position < e.args.size() && e.args[position].keyword.empty() ? &e.args[position] : nullptr;
  }

  void require(const Expr& e, size_t min, size_t max, std::initializer_list<std::string_view> keywords = {}) const {
    if (e.args.size() < min || e.args.size() > max)
      fail(e, min == max ? fmt::format("{} takes {} argument(s), got {}", e.name, min, e.args.size())
                         : fmt::format("{} takes {} to {} arguments, got {}", e.name, min, max, e.args.size()));
    for (const Expr& arg : e.args) {
      bool known = arg.keyword.empty();
      for (std::string_view keyword : keywords) known |= arg.keyword == keyword;
      if (!known) fail(arg, fmt::format("{} has no argument '{}'", e.name, arg.keyword));
    }
    for (size_t i = 0; i < min; ++i)
      if (!e.args[i].keyword.empty()) fail(e.args[i], fmt::format("argument {} of {} goes without a name", i + 1, e.name));
  }

  double number(const Expr& at) {
    const Operand operand = build(at);
    if (!operand.number) fail(at, "must be a number");
    return *operand.number;
  }
  int64_t integer(const Expr& at) {
    const double value = number(at);
    if (value != std::floor(value) || std::abs(value) > 1e9) fail(at, "must be an integer");
    return static_cast<int64_t>(value);
  }
  std::vector<int64_t> integers(const Expr& at) {
    if (at.kind != Expr::Kind::kList) return {integer(at)};
    std::vector<int64_t> values;
    for (const Expr& item : at.args) values.push_back(integer(item));
    return values;
  }
  int64_t integer_or(const Expr* at, int64_t fallback) { return at ? integer(*at) : fallback; }
  Var var(const Expr& at) { return value(build(at), at); }

  Operand call(const Expr& e) {
    try {
      return var_operand(call_builder(e));
    } catch (UserError& error) {
      if (!std::string_view(error.what()).starts_with("expression, ")) error.add_context(fmt::format("expression, column {}", e.column));
      throw;
    }
  }

  Var call_builder(const Expr& e) {
    for (const auto& [alias, meant] : kAliases) {
      if (alias != e.name) continue;
      Expr renamed = e;
      renamed.name = meant;
      return call_builder(renamed);
    }
    if (const auto* row = find_row(kReductions, e.name)) {
      require(e, 1, 3, {"axis", "keepdims"});
      const Expr *axis = argument(e, 1, "axis"), *keepdims = argument(e, 2, "keepdims");
      return row->build(var(e.args[0]), axis ? integers(*axis) : std::vector<int64_t>(), keepdims && integer(*keepdims) != 0);
    }
    if (const auto* row = find_row(kUnary, e.name)) {
      require(e, 1, 1);
      return row->build(var(e.args[0]));
    }
    if (const auto* row = find_row(kBinary, e.name)) {
      require(e, 2, 2);
      return binary(*row, build(e.args[0]), build(e.args[1]), e);
    }
    if (const std::optional<Var> result = shape_call(e)) return *result;
    if (const std::optional<Var> result = place_call(e)) return *result;
    if (const std::optional<Var> result = order_call(e)) return *result;
    if (e.name == "grad") return grad_of(e);
    if (const std::optional<DType> dtype = parse_dtype(e.name)) {
      require(e, 1, 1);
      return cast(var(e.args[0]), *dtype);
    }
    for (std::string_view activation : activation_names()) {
      if (activation != e.name) continue;
      require(e, 1, 1);
      return apply_activation(activation, var(e.args[0]));
    }
    fail(e, fmt::format("unknown function '{}'{}", e.name, spec::suggestion(e.name, function_names())));
  }

  std::optional<Var> shape_call(const Expr& e) {
    if (e.name == "softmax" || e.name == "log_softmax") {
      require(e, 1, 2, {"axis"});
      const int64_t axis = integer_or(argument(e, 1, "axis"), -1);
      return e.name == "softmax" ? softmax(var(e.args[0]), axis) : log_softmax(var(e.args[0]), axis);
    }
    if (e.name == "where") {
      require(e, 3, 3);
      const Operand a = build(e.args[1]), b = build(e.args[2]);
      return select(var(e.args[0]), value(a, e.args[1], b.var), value(b, e.args[2], a.var));
    }
    if (e.name == "clip") {
      require(e, 3, 3);
      return clip(var(e.args[0]), number(e.args[1]), number(e.args[2]));
    }
    if (e.name == "argmax") {
      require(e, 1, 2, {"axis"});
      return arg_max(var(e.args[0]), integer_or(argument(e, 1, "axis"), -1));
    }
    if (e.name == "matmul") {
      require(e, 2, 2);
      return matmul(var(e.args[0]), var(e.args[1]));
    }
    if (e.name == "transpose") {
      require(e, 2, 2);
      return transpose(var(e.args[0]), integers(e.args[1]));
    }
    if (e.name == "reshape") {
      require(e, 2, 2);
      const std::vector<int64_t> sizes = integers(e.args[1]);
      return reshape(var(e.args[0]), Shape(sizes.begin(), sizes.end()));
    }
    if (e.name == "expand_dims" || e.name == "reverse") {
      require(e, 2, 2, {"axis"});
      const int64_t axis = integer(*argument(e, 1, "axis"));
      return e.name == "reverse" ? reverse(var(e.args[0]), axis) : expand_dims(var(e.args[0]), axis);
    }
    if (e.name == "slice") return slice_of(e);
    if (e.name == "swapaxes") {
      require(e, 3, 3);
      const Var x = var(e.args[0]);
      std::vector<int64_t> perm(static_cast<size_t>(x.rank()));
      std::iota(perm.begin(), perm.end(), 0);
      std::swap(perm[static_cast<size_t>(normalize_axis(integer(e.args[1]), x.rank(), "swapaxes"))],
                perm[static_cast<size_t>(normalize_axis(integer(e.args[2]), x.rank(), "swapaxes"))]);
      return transpose(x, perm);
    }
    if (e.name == "squeeze") {
      require(e, 2, 2, {"axis"});
      return squeeze(var(e.args[0]), integers(*argument(e, 1, "axis")));
    }
    if (e.name == "concat" || e.name == "stack") {
      require(e, 1, 2, {"axis"});
      if (e.args[0].kind != Expr::Kind::kList) fail(e.args[0], fmt::format("{0} takes a list: {0}([a, b], axis=-1)", e.name));
      const int64_t axis = integer_or(argument(e, 1, "axis"), e.name == "stack" ? 0 : -1);
      std::vector<Var> parts;
      for (const Expr& part : e.args[0].args) parts.push_back(e.name == "stack" ? expand_dims(var(part), axis) : var(part));
      return concat(parts, axis);
    }
    return std::nullopt;
  }

  // Functions that repeat, pad or pick elements.
  std::optional<Var> place_call(const Expr& e) {
    if (e.name == "take") {
      require(e, 3, 3, {"axis"});
      const Var x = var(e.args[0]);
      const Operand at = build(e.args[1]);
      const int64_t axis = normalize_axis(integer(*argument(e, 2, "axis")), x.rank(), "take");
      return gather(x, at.number ? scalar(graph_, DType::kInt32, *at.number) : value(at, e.args[1]), axis);
    }
    if (e.name == "take_along_axis") {
      require(e, 3, 3, {"axis"});
      const Var x = var(e.args[0]);
      return gather_elements(x, var(e.args[1]), normalize_axis(integer(*argument(e, 2, "axis")), x.rank(), "take_along_axis"));
    }
    if (e.name == "cumsum") {
      require(e, 2, 2, {"axis"});
      const Var x = var(e.args[0]);
      return cumsum(x, normalize_axis(integer(*argument(e, 1, "axis")), x.rank(), "cumsum"));
    }
    if (e.name == "tile") {
      require(e, 2, 2);
      return tiled(e, var(e.args[0]), integers(e.args[1]));
    }
    if (e.name == "pad") {
      require(e, 3, 4);
      const Var x = var(e.args[0]);
      const std::vector<int64_t> before = integers(e.args[1]), after = integers(e.args[2]);
      if (static_cast<int64_t>(before.size()) != x.rank() || before.size() != after.size())
        fail(e, fmt::format("pad needs a list of {0} sizes before and one of {0} after", x.rank()));
      for (size_t i = 0; i < before.size(); ++i)
        if (before[i] < 0 || after[i] < 0) fail(e, "pad takes no negative sizes");
      return pad(x, before, after, e.args.size() > 3 ? number(e.args[3]) : 0);
    }
    return std::nullopt;
  }

  // Functions along one axis.
  std::optional<Var> order_call(const Expr& e) {
    const auto axis_of = [&](Var x, const Expr* at) { return normalize_axis(integer_or(at, -1), x.rank(), e.name.c_str()); };
    if (e.name == "argmin" || e.name == "sort" || e.name == "normalize" || e.name == "diff") {
      require(e, 1, 2, {"axis"});
      const Var x = var(e.args[0]);
      const int64_t axis = axis_of(x, argument(e, 1, "axis"));
      return e.name == "argmin" ? arg_max(-x, axis)
             : e.name == "sort" ? expression::sort(x, axis)
             : e.name == "diff" ? expression::diff(x, axis)
                                : expression::normalize(x, axis);
    }
    if (e.name == "roll" || e.name == "repeat") {
      require(e, 2, 3, {"axis"});
      const Var x = var(e.args[0]);
      const int64_t count = integer(e.args[1]), axis = axis_of(x, argument(e, 2, "axis"));
      return e.name == "roll" ? expression::roll(x, count, axis) : expression::repeat(x, count, axis);
    }
    if (e.name == "cumprod") {
      require(e, 2, 2, {"axis"});
      const Var x = var(e.args[0]);
      return cumprod(x, axis_of(x, argument(e, 1, "axis")));
    }
    if (e.name == "tril" || e.name == "triu") {
      require(e, 1, 2, {"k"});
      return expression::triangle(var(e.args[0]), integer_or(argument(e, 1, "k"), 0), e.name == "tril");
    }
    if (e.name == "one_hot") {
      require(e, 2, 2);
      const Var x = var(e.args[0]);
      return one_hot(is_float(x.dtype()) ? cast(x, DType::kInt32) : x, Dim(integer(e.args[1])), default_dtype());
    }
    if (e.name == "broadcast_to") {
      require(e, 2, 2);
      const std::vector<int64_t> sizes = integers(e.args[1]);
      return broadcast_to(var(e.args[0]), Shape(sizes.begin(), sizes.end()));
    }
    if (e.name == "size") {
      require(e, 1, 2, {"axis"});
      const Var x = var(e.args[0]);
      const Expr* axis = argument(e, 1, "axis");
      return size_of(x, axis ? normalize_axes(integers(*axis), x.rank(), "size") : std::vector<int64_t>(), default_dtype());
    }
    return std::nullopt;
  }

  // The derivative of the sum of the first argument with respect to a name; itself differentiated where it is part of a loss.
  Var grad_of(const Expr& e) {
    require(e, 2, 2);
    if (e.args[1].kind != Expr::Kind::kName) fail(e.args[1], "grad takes its derivative with respect to a name, such as grad(y_pred, x)");
    const Var y = var(e.args[0]), x = var(e.args[1]);
    if (!is_float(x.dtype()) || !is_float(y.dtype()))
      fail(e, fmt::format("grad is for floating-point numbers, not for {} with respect to {}", to_string(y.type()), to_string(x.type())));
    return gradient(y, {&x, 1})[0];
  }

  // x repeated whole along each axis.
  Var tiled(const Expr& e, Var x, const std::vector<int64_t>& times) {
    if (static_cast<int64_t>(times.size()) != x.rank()) fail(e, fmt::format("tile needs a list of {} numbers of times", x.rank()));
    Shape apart, spread, together;
    for (size_t i = 0; i < times.size(); ++i) {
      const Dim size = x.shape()[i];
      if (times[i] < 1) fail(e, "tile takes positive numbers");
      if (times[i] != 1 && !(size == Dim(1))) {
        apart.push_back(Dim(1));
        spread.push_back(Dim(times[i]));
      }
      apart.push_back(size);
      spread.push_back(times[i] != 1 && size == Dim(1) ? Dim(times[i]) : size);
      together.push_back(size * Dim(times[i]));
    }
    return reshape(broadcast_to(reshape(x, apart), spread), together);
  }

  // Python's x[begin:end:step] along one axis: from the end where negative, the whole rest where there is no end.
  Var slice_of(const Expr& e) {
    require(e, 3, 5, {"axis", "step"});
    const Var x = var(e.args[0]);
    const int64_t axis = normalize_axis(integer(e.args[1]), x.rank(), "slice"), begin = integer(e.args[2]);
    const Expr* given_step = argument(e, 4, "step");
    const bool open = e.args.size() < 4 || &e.args[3] == e.find("step");
    const int64_t step = integer_or(given_step, 1);
    if (step < 1) fail(e, "the step must be positive");
    const Dim size = x.dim(axis);
    if (!size.known()) {
      if (begin >= 0 && !open && integer(e.args[3]) < 0 && step == 1)
        return slice_axis(x, axis, Dim(begin), size - Dim(begin - integer(e.args[3])));
      if (begin >= 0 && open && step == 1) return slice_axis(x, axis, Dim(begin), size - Dim(begin));
      if (begin < 0 && open && step == 1) return slice_axis(x, axis, size - Dim(-begin), Dim(-begin));
      if (begin < 0 && !open && integer(e.args[3]) < 0 && step == 1)
        return slice_axis(x, axis, size - Dim(-begin), Dim(std::max<int64_t>(integer(e.args[3]) - begin, 0)));
      if (begin < 0 || open || integer(e.args[3]) < 0)
        fail(e, fmt::format("slice needs to know the size '{}': give it in the input's shape", to_string(size)));
      return slice_axis(x, axis, Dim(begin), Dim((std::max<int64_t>(integer(e.args[3]) - begin, 0) + step - 1) / step), step);
    }
    const int64_t n = size.value();
    const auto place = [n](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + n : i, 0, n); };
    const int64_t first = place(begin), last = open ? n : place(integer(e.args[3]));
    return slice_axis(x, axis, Dim(first), Dim((std::max<int64_t>(last - first, 0) + step - 1) / step), step);
  }

  static std::vector<std::string_view> function_names() {
    std::vector<std::string_view> names = {"softmax",
                                           "log_softmax",
                                           "where",
                                           "clip",
                                           "argmax",
                                           "matmul",
                                           "transpose",
                                           "reshape",
                                           "expand_dims",
                                           "reverse",
                                           "squeeze",
                                           "concat",
                                           "stack",
                                           "slice",
                                           "swapaxes",
                                           "take",
                                           "take_along_axis",
                                           "cumsum",
                                           "tile",
                                           "pad",
                                           "float32",
                                           "int32",
                                           "bool",
                                           "argmin",
                                           "sort",
                                           "normalize",
                                           "diff",
                                           "roll",
                                           "repeat",
                                           "cumprod",
                                           "tril",
                                           "triu",
                                           "one_hot",
                                           "broadcast_to",
                                           "size",
                                           "grad"};
    for (const auto& row : kUnary) names.push_back(row.name);
    for (const auto& row : kBinary) names.push_back(row.name);
    for (const auto& row : kReductions) names.push_back(row.name);
    for (std::string_view name : activation_names()) names.push_back(name);
    return names;
  }

  Graph& graph_;
  const std::map<std::string, Var>& variables_;
};

}  // namespace

Var build_expression(Graph& graph, const Expr& expression, const std::map<std::string, Var>& variables) {
  Builder builder(graph, variables);
  return builder.value(builder.build(expression), expression);
}

}  // namespace dl
