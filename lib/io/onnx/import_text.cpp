// TfIdfVectorizer: how often each n-gram of a pool stands in rows of integers.
#include <fmt/format.h>

#include <algorithm>

#include "io/onnx/import_util.h"

namespace dl::onnx {
namespace {

using Ints = std::vector<int64_t>;

constexpr int64_t kMaxGram = 64;

// The n-grams of one length: their elements, row by row, and the column of the result each is counted in.
struct Grams {
  int64_t length;
  Ints elements, columns;
};

std::vector<Grams> read_pool(NodeCall& call, int64_t shortest, int64_t longest, int64_t& width) {
  const Ints pool = call.integers("pool_int64s"), starts = call.integers("ngram_counts"), columns = call.integers("ngram_indexes");
  for (const int64_t c : columns) {
    if (c < 0 || c > (int64_t{1} << 24)) call.fail("ngram_indexes are out of range");
    width = std::max(width, c + 1);
  }
  std::vector<Grams> result;
  size_t next = 0;
  for (size_t k = 0; k < starts.size() && static_cast<int64_t>(k) < kMaxGram; ++k) {
    const auto length = static_cast<int64_t>(k) + 1, begin = starts[k],
               end = k + 1 < starts.size() ? starts[k + 1] : static_cast<int64_t>(pool.size());
    if (begin < 0 || end < begin || end > static_cast<int64_t>(pool.size()) || (end - begin) % length != 0)
      call.fail("ngram_counts do not divide the pool");
    const auto count = static_cast<size_t>((end - begin) / length);
    if (next + count > columns.size()) call.fail("ngram_indexes are fewer than the pool's n-grams");
    if (count > 0 && length >= shortest && length <= longest)
      result.push_back(
          {length, Ints(pool.begin() + begin, pool.begin() + end),
           Ints(columns.begin() + static_cast<std::ptrdiff_t>(next), columns.begin() + static_cast<std::ptrdiff_t>(next + count))});
    next += count;
  }
  return result;
}

// [rows, n-grams]: the windows of x [rows, size], `skip` elements between theirs, that equal each of them.
Var count_windows(Graph& g, Var x, int64_t size, const Grams& grams, int64_t skip) {
  const int64_t windows = size - (grams.length - 1) * (skip + 1);
  if (windows < 1) return {};
  const auto count = static_cast<int64_t>(grams.columns.size());
  Var equals;
  for (int64_t j = 0; j < grams.length; ++j) {
    Ints wanted;
    for (int64_t k = 0; k < count; ++k) wanted.push_back(grams.elements[static_cast<size_t>(k * grams.length + j)]);
    const Var part = expand_dims(slice_axis(x, 1, j * (skip + 1), windows), 2), same = equal(part, integers(g, {1, 1, count}, wanted));
    equals = equals.valid() ? logical_and(equals, same) : same;
  }
  return reduce_sum(cast(equals, DType::kFloat32), {1});
}

OnnxValues import_tf_idf(NodeCall& call) {
  const Var given = call.in(0);
  if (!is_integer(given.dtype()) || given.rank() < 1 || given.rank() > 2) call.fail("takes a row or rows of integers");
  if (call.has_attribute("pool_strings")) call.unsupported("a pool of strings");
  const int64_t shortest = call.integer("min_gram_length"), longest = call.integer("max_gram_length"),
                skips = call.integer("max_skip_count");
  const std::string mode = call.text("mode");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF") call.fail(fmt::format("mode '{}' is not known", mode.substr(0, 40)));
  if (shortest < 1 || longest < shortest || skips < 0 || skips > 4096) call.fail("its lengths are out of range");
  const bool row = given.rank() == 1;
  const Var x = cast(row ? expand_dims(given, 0) : given, DType::kInt64);
  const int64_t size = known_shape(call, {x.dim(1)}, "the length of its rows")[0];
  int64_t width = 0;
  const std::vector<Grams> pool = read_pool(call, shortest, longest, width);
  Graph& g = call.graph();
  Var sum = full(g, {DType::kFloat32, {x.dim(0), Dim(width)}}, 0);
  for (const Grams& grams : pool)
    for (int64_t skip = 0; skip <= (grams.length == 1 ? 0 : skips); ++skip) {
      const Var counts = count_windows(g, x, size, grams, skip);
      if (!counts.valid()) continue;
      const auto count = static_cast<int64_t>(grams.columns.size());
      sum = sum + scatter_add(counts, integers(g, {count}, grams.columns), Dim(width), 1);
    }
  std::vector<double> weights = call.floats("weights");
  if (mode != "TF") {
    if (weights.empty()) weights.assign(call.integers("ngram_indexes").size(), 1);
    std::vector<double> by_column(static_cast<size_t>(width), 0);
    const Ints columns = call.integers("ngram_indexes");
    if (weights.size() != columns.size()) call.fail("weights and ngram_indexes differ in length");
    for (size_t i = 0; i < columns.size(); ++i) by_column[static_cast<size_t>(columns[i])] = weights[i];
    const Var factor = numbers(g, DType::kFloat32, {1, width}, by_column);
    sum = mode == "TFIDF" ? sum * factor : cast(greater(sum, 0.0), DType::kFloat32) * factor;
  }
  return {row ? squeeze(sum, {0}) : sum};
}

constexpr OpRow kTextRows[] = {
    {"TfIdfVectorizer", 9, import_tf_idf},
};

}  // namespace

std::span<const OpRow> onnx_rows_text() { return kTextRows; }

}  // namespace dl::onnx
