#include "io/keras/operation_rows.h"

namespace dl::operation {
namespace {

constexpr Row kBinary[] = {{"+", "Add", kNumpy, "__operators__.add"},
                           {"-", "Subtract", kNumpy, "math.subtract"},
                           {"*", "Multiply", kNumpy, "math.multiply"},
                           {"/", "TrueDivide", kNumpy, "math.truediv"},
                           {"/", "Divide", kNumpy, "math.divide"},
                           {"**", "Power", kNumpy, "math.pow"},
                           {"<", "Less", kNumpy, "math.less"},
                           {"<=", "LessEqual", kNumpy, "math.less_equal"},
                           {">", "Greater", kNumpy, "math.greater"},
                           {">=", "GreaterEqual", kNumpy, "math.greater_equal"},
                           {"==", "Equal", kNumpy, "math.equal"},
                           {"!=", "NotEqual", kNumpy, "math.not_equal"},
                           {"maximum", "Maximum", kNumpy, "math.maximum"},
                           {"minimum", "Minimum", kNumpy, "math.minimum"},
                           {"atan2", "Arctan2", kNumpy, "math.atan2"},
                           {"mod", "Mod", kNumpy, "math.floormod"},
                           {"logical_and", "LogicalAnd", kNumpy, "math.logical_and"},
                           {"logical_or", "LogicalOr", kNumpy, "math.logical_or"},
                           {"matmul", "Matmul", kNumpy, "linalg.matmul"}};
constexpr Row kBinaryAliases[] = {{"add", "Add", kNumpy, "math.add"},
                                  {"sub", "Subtract", kNumpy, "math.subtract"},
                                  {"mul", "Multiply", kNumpy, "math.multiply"},
                                  {"div", "TrueDivide", kNumpy, "math.truediv"},
                                  {"pow", "Power", kNumpy, "math.pow"},
                                  {"less", "Less", kNumpy, "math.less"},
                                  {"less_equal", "LessEqual", kNumpy, "math.less_equal"},
                                  {"greater", "Greater", kNumpy, "math.greater"},
                                  {"greater_equal", "GreaterEqual", kNumpy, "math.greater_equal"},
                                  {"equal", "Equal", kNumpy, "math.equal"},
                                  {"not_equal", "NotEqual", kNumpy, "math.not_equal"}};

constexpr Row kUnary[] = {{"neg", "Negative", kNumpy, "math.negative"},
                          {"abs", "Absolute", kNumpy, "math.abs"},
                          {"abs", "Abs", kNumpy, "abs"},
                          {"sign", "Sign", kNumpy, "math.sign"},
                          {"exp", "Exp", kNumpy, "math.exp"},
                          {"expm1", "Expm1", kNumpy, "math.expm1"},
                          {"log", "Log", kNumpy, "math.log"},
                          {"log1p", "Log1p", kNumpy, "math.log1p"},
                          {"sqrt", "Sqrt", kNumpy, "math.sqrt"},
                          {"rsqrt", "Rsqrt", kMath, "math.rsqrt"},
                          {"square", "Square", kNumpy, "math.square"},
                          {"reciprocal", "Reciprocal", kNumpy, "math.reciprocal"},
                          {"sin", "Sin", kNumpy, "math.sin"},
                          {"cos", "Cos", kNumpy, "math.cos"},
                          {"tan", "Tan", kNumpy, "math.tan"},
                          {"asin", "Arcsin", kNumpy, "math.asin"},
                          {"acos", "Arccos", kNumpy, "math.acos"},
                          {"atan", "Arctan", kNumpy, "math.atan"},
                          {"sinh", "Sinh", kNumpy, "math.sinh"},
                          {"cosh", "Cosh", kNumpy, "math.cosh"},
                          {"asinh", "Arcsinh", kNumpy, "math.asinh"},
                          {"acosh", "Arccosh", kNumpy, "math.acosh"},
                          {"atanh", "Arctanh", kNumpy, "math.atanh"},
                          {"tanh", "Tanh", kNumpy, "math.tanh"},
                          {"erf", "Erf", kMath, "math.erf"},
                          {"sigmoid", "Sigmoid", kNn, "math.sigmoid"},
                          {"sigmoid", "Sigmoid", kNn, "nn.sigmoid"},
                          {"softplus", "Softplus", kNn, "math.softplus"},
                          {"softplus", "Softplus", kNn, "nn.softplus"},
                          {"tanh", "Tanh", kNn, "nn.tanh"},
                          {"relu", "Relu", kNn, "nn.relu"},
                          {"relu6", "Relu6", kNn, "nn.relu6"},
                          {"silu", "Silu", kNn, "nn.silu"},
                          {"swish", "Silu", kNn, "nn.swish"},
                          {"softsign", "Softsign", kNn, "nn.softsign"},
                          {"selu", "Selu", kNn, "nn.selu"},
                          {"log_sigmoid", "LogSigmoid", kNn, "math.log_sigmoid"},
                          {"hard_sigmoid", "HardSigmoid", kNn, ""},
                          {"hard_silu", "HardSilu", kNn, ""},
                          {"floor", "Floor", kNumpy, "math.floor"},
                          {"ceil", "Ceil", kNumpy, "math.ceil"},
                          {"round", "Round", kNumpy, "math.round"},
                          {"logical_not", "LogicalNot", kNumpy, "math.logical_not"}};

constexpr Row kReductions[] = {{"mean", "Mean", kNumpy, "math.reduce_mean"}, {"sum", "Sum", kNumpy, "math.reduce_sum"},
                               {"max", "Max", kNumpy, "math.reduce_max"},    {"max", "Amax", kNumpy, ""},
                               {"min", "Min", kNumpy, "math.reduce_min"},    {"min", "Amin", kNumpy, ""},
                               {"prod", "Prod", kNumpy, "math.reduce_prod"}};

}  // namespace

std::span<const Row> binary_rows() { return kBinary; }
std::span<const Row> binary_aliases() { return kBinaryAliases; }
std::span<const Row> unary_rows() { return kUnary; }
std::span<const Row> reduction_rows() { return kReductions; }

const Row* find_ours(std::span<const Row> rows, std::string_view name) {
  for (const Row& row : rows)
    if (row.ours == name) return &row;
  return nullptr;
}

const Row* find_keras(std::span<const Row> rows, std::string_view name, bool tensorflow) {
  for (const Row& row : rows)
    if ((tensorflow ? row.keras2 : row.keras3) == name && !name.empty()) return &row;
  return nullptr;
}

}  // namespace dl::operation
