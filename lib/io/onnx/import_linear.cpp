// MatMul, Gemm, Einsum.
#include <algorithm>
#include <cctype>

#include "io/onnx/importer.h"
#include "ops/ops.h"

namespace dl::onnx {
namespace {

using Ints = std::vector<int64_t>;

OnnxValues import_matmul(NodeCall& call) {
  Var a = call.in(0), b = call.in(1);
  if (a.rank() == 0 || b.rank() == 0) call.fail("operands need at least one axis");
  const bool row = a.rank() == 1, column = b.rank() == 1;
  if (row) a = expand_dims(a, 0);
  if (column) b = expand_dims(b, 1);
  Var y = matmul(a, b);
  if (column) y = squeeze(y, {-1});
  if (row) y = squeeze(y, {column ? -1 : -2});
  return {y};
}

OnnxValues import_gemm(NodeCall& call) {
  const double alpha = call.real("alpha", 1), beta = call.real("beta", 1);
  const Var a = call.in(0), b = call.in(1);
  if (a.rank() != 2 || b.rank() != 2) call.fail("operands need two axes");
  Var y = matmul(a, b, call.integer("transA", 0) != 0, call.integer("transB", 0) != 0);
  if (alpha != 1) y = y * alpha;
  if (!call.has(2)) return {y};
  Var c = call.in(2);
  if (beta != 1) c = c * beta;
  return {y + broadcast_to(c, y.shape())};
}

// ---- Einsum: operands are joined from the left; labels that nobody needs any more are summed over as soon as possible.

struct Term {
  Var x;
  std::string labels;  // one for each axis; those of "..." are characters from 128 up
};

bool has(const std::string& labels, char c) { return labels.find(c) != std::string::npos; }

Var permute(const Term& term, const std::string& order) {
  Ints perm;
  for (char c : order) perm.push_back(static_cast<int64_t>(term.labels.find(c)));
  return transpose(term.x, perm);
}

Dim size_of_label(const Term& term, char c) { return term.x.dim(static_cast<int64_t>(term.labels.find(c))); }

// A label that stands twice: the diagonal.
void take_diagonals(Term& term) {
  for (size_t i = 0; i < term.labels.size(); ++i)
    for (size_t j = i + 1; j < term.labels.size();) {
      if (term.labels[i] != term.labels[j]) {
        ++j;
        continue;
      }
      Graph& g = *term.x.graph;
      const Shape& shape = term.x.shape();
      const Var on = equal(iota(g, DType::kInt64, shape, static_cast<int64_t>(i)), iota(g, DType::kInt64, shape, static_cast<int64_t>(j)));
      term.x = reduce_sum(select(on, term.x, zeros_like(term.x)), {static_cast<int64_t>(j)});
      term.labels.erase(j, 1);
    }
}

void sum_unused(Term& term, const std::string& needed) {
  Ints axes;
  std::string kept;
  for (size_t i = 0; i < term.labels.size(); ++i) {
    if (has(needed, term.labels[i]))
      kept += term.labels[i];
    else
      axes.push_back(static_cast<int64_t>(i));
  }
  if (!axes.empty()) term.x = reduce_sum(term.x, axes);
  term.labels = kept;
}

Dim product(const Term& term, const std::string& labels) {
  Dim d(1);
  for (char c : labels) d = d * size_of_label(term, c);
  return d;
}

Term join(NodeCall& call, Term a, Term b, const std::string& needed) {
  sum_unused(a, needed + b.labels);
  sum_unused(b, needed + a.labels);
  std::string batch, inner, left, right;
  for (char c : a.labels) (!has(b.labels, c) ? left : has(needed, c) ? batch : inner) += c;
  for (char c : b.labels)
    if (!has(a.labels, c)) right += c;
  Shape out;
  for (char c : batch) {
    const Dim p = size_of_label(a, c), q = size_of_label(b, c);
    if (!(p == q) && !(p == Dim(1)) && !(q == Dim(1))) call.fail("sizes of one label differ: " + to_string(p) + " and " + to_string(q));
    out.push_back(p == Dim(1) ? q : p);
  }
  // Sizes of 1 under "..." are repeated.
  const auto shaped = [&](const Term& t, const std::string& first, const std::string& second) {
    Var x = permute(t, batch + first + second);
    Shape full = x.shape();
    std::copy(out.begin(), out.end(), full.begin());
    x = broadcast_to(x, full);
    return reshape(x, {element_count(out), product(t, first), product(t, second)});
  };
  const Var y = matmul(shaped(a, left, inner), shaped(b, inner, right));
  for (char c : left) out.push_back(size_of_label(a, c));
  for (char c : right) out.push_back(size_of_label(b, c));
  return {reshape(y, out), batch + left + right};
}

OnnxValues import_einsum(NodeCall& call) {
  std::string equation = call.text("equation");
  std::erase(equation, ' ');
  const size_t arrow = equation.find("->");
  const std::string left = equation.substr(0, arrow);
  std::vector<std::string> parts = {""};
  for (char c : left) {
    if (c == ',')
      parts.emplace_back();
    else
      parts.back() += c;
  }
  if (parts.size() != call.inputs()) call.fail("the equation '" + equation.substr(0, 100) + "' has another number of operands");
  size_t widest = 0;
  const auto expand = [&](std::string labels, size_t ellipsis) {
    const size_t dots = labels.find("...");
    if (dots != std::string::npos) {
      std::string axes;
      for (size_t i = 0; i < ellipsis; ++i) axes += static_cast<char>(128 + static_cast<int>(widest - ellipsis + i));
      labels.replace(dots, 3, axes);
    }
    for (char c : labels)
      if (static_cast<unsigned char>(c) < 128 && !std::isalpha(static_cast<unsigned char>(c)))
        call.fail("the equation '" + equation.substr(0, 100) + "' is not understood");
    return labels;
  };
  std::vector<size_t> hidden;  // axes under "..." of each operand
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool dots = parts[i].find("...") != std::string::npos;
    const int64_t named = static_cast<int64_t>(parts[i].size()) - (dots ? 3 : 0), rank = call.in(i).rank();
    if (dots ? rank < named : rank != named) call.fail("operand " + std::to_string(i) + " has another rank than the equation says");
    hidden.push_back(static_cast<size_t>(rank - named));
    if (hidden.back() > 16) call.unsupported("an operand of more than 16 axes");
    widest = std::max(widest, hidden.back());
  }
  std::vector<Term> terms;
  for (size_t i = 0; i < parts.size(); ++i) {
    terms.push_back({call.in(i), expand(parts[i], hidden[i])});
    take_diagonals(terms.back());
  }
  std::string out;
  if (arrow != std::string::npos) {
    out = expand(equation.substr(arrow + 2), widest);
  } else {  // labels that stand once, in order, after those of "..."
    std::string all;
    for (const std::string& part : parts) all += part;
    for (size_t i = 0; i < widest; ++i) out += static_cast<char>(128 + static_cast<int>(i));
    for (char c = 'A'; c <= 'z'; ++c)
      if (std::isalpha(static_cast<unsigned char>(c)) && std::count(all.begin(), all.end(), c) == 1) out += c;
  }
  Term result = terms[0];
  for (size_t i = 1; i < terms.size(); ++i) {
    std::string needed = out;
    for (size_t j = i + 1; j < terms.size(); ++j) needed += terms[j].labels;
    result = join(call, result, terms[i], needed);
  }
  sum_unused(result, out);
  if (result.labels.size() != out.size()) call.fail("the equation '" + equation.substr(0, 100) + "' is not understood");
  for (char c : out)
    if (!has(result.labels, c)) call.fail("the equation '" + equation.substr(0, 100) + "' is not understood");
  return {permute(result, out)};
}

constexpr OpRow kLinearRows[] = {
    {"MatMul", 1, import_matmul},
    {"Gemm", 1, import_gemm},
    {"Einsum", 12, import_einsum},
};

}  // namespace

std::span<const OpRow> onnx_rows_linear() { return kLinearRows; }

}  // namespace dl::onnx
