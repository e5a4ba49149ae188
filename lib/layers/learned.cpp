#include "layers/learned.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/error.h"

namespace dl {
namespace {

// ---- borders of Discretization

// A sorted sample of the data, and for how much of it each value stands.
struct Sketch {
  std::vector<float> values, weights;
};

// One value for every 1/epsilon-th part of the data. Sorts it.
Sketch sketch_of(std::vector<float>& data, double epsilon) {
  std::sort(data.begin(), data.end());
  const double step = std::max(static_cast<double>(data.size()) / (1.0 / epsilon), 1.0);
  Sketch summary;
  for (auto i = static_cast<size_t>(step - 1); i < data.size(); i += static_cast<size_t>(step)) {
    summary.values.push_back(data[i]);
    summary.weights.push_back(static_cast<float>(step));
  }
  return summary;
}

// The piecewise linear function through (xs, ys) at ascending points.
std::vector<double> interpolate_at(const std::vector<double>& points, const std::vector<double>& xs, const std::vector<double>& ys) {
  std::vector<double> result;
  for (const double x : points) {
    const auto after = std::upper_bound(xs.begin(), xs.end(), x);
    if (after == xs.begin()) {
      result.push_back(ys.front());
    } else if (after == xs.end()) {
      result.push_back(ys.back());
    } else {
      const auto high = static_cast<size_t>(after - xs.begin()), low = high - 1;
      result.push_back(x == xs[low] ? ys[low] : (ys[high] - ys[low]) / (xs[high] - xs[low]) * (x - xs[low]) + ys[low]);
    }
  }
  return result;
}

// At most 1/epsilon values, at equal shares of the weight. Sums are float32, interpolation is in double, as in Keras.
Sketch compress_sketch(const Sketch& summary, double epsilon) {
  const size_t n = summary.values.size();
  if (static_cast<double>(n) * epsilon < 1) return summary;
  std::vector<double> shares, sums, values(summary.values.begin(), summary.values.end()), points;
  float sum = 0;
  for (const float w : summary.weights) sums.push_back(sum += w);
  for (const double s : sums) shares.push_back(static_cast<float>(s) / sum);
  const auto count = static_cast<size_t>(std::ceil(1.0 / epsilon));
  for (size_t i = 0; i < count; ++i) points.push_back(epsilon + static_cast<double>(i) * epsilon);
  Sketch result;
  for (const double v : interpolate_at(points, shares, values)) result.values.push_back(static_cast<float>(v));
  double before = 0;
  for (const double s : interpolate_at(points, shares, sums)) {
    result.weights.push_back(static_cast<float>(s - before));
    before = s;
  }
  return result;
}

Sketch join_sketches(const Sketch& a, const Sketch& b, double epsilon) {
  std::vector<std::pair<float, float>> pairs;
  for (const Sketch* s : {&a, &b})
    for (size_t i = 0; i < s->values.size(); ++i) pairs.emplace_back(s->values[i], s->weights[i]);
  std::stable_sort(pairs.begin(), pairs.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
  Sketch joined;
  for (const auto& [value, weight] : pairs) {
    joined.values.push_back(value);
    joined.weights.push_back(weight);
  }
  return compress_sketch(joined, epsilon);
}

UserError cannot_learn(const Layer& layer, const std::string& what) { return UserError(fmt::format("layer '{}': {}", layer.name, what)); }

class BinLearner : public Learner {
 public:
  BinLearner(const Layer& layer, int64_t chunk)
      : layer_(layer),
        bins_(layer.config.integer("num_bins")),
        epsilon_(layer.config.real("epsilon")),
        chunk_(static_cast<size_t>(chunk)) {}
  const char* keys() const override { return "bin_boundaries"; }
  void add(const Tensor& batch) override {
    for (int64_t i = 0; i < batch.size(); ++i) {
      const auto value = static_cast<float>(batch.at(i));
      if (std::isnan(value))
        throw cannot_learn(layer_, "its bins cannot be computed: the training data holds NaN; see the key missing of the data");
      data_.push_back(value);
      if (data_.size() == chunk_) close_chunk();
    }
  }
  spec::Node finish() override {
    if (!data_.empty() || summary_.values.empty()) close_chunk();
    if (summary_.values.empty()) throw cannot_learn(layer_, "its bins cannot be computed: there are no training data");
    const Sketch last = compress_sketch(summary_, 1.0 / static_cast<double>(bins_));
    std::vector<spec::Node> borders;
    for (size_t i = 0; i + 1 < last.values.size(); ++i) borders.push_back(spec::Node::real(last.values[i]));
    if (borders.empty() && bins_ > 1)
      throw cannot_learn(layer_, fmt::format("its {} bins cannot be computed from {} value(s)", bins_, last.values.size()));
    return spec::Node::map({{"bin_boundaries", spec::Node::list(std::move(borders))}});
  }

 private:
  void close_chunk() {
    summary_ = join_sketches(sketch_of(data_, epsilon_), summary_, epsilon_);
    data_.clear();
  }

  const Layer& layer_;
  int64_t bins_;
  double epsilon_;
  size_t chunk_;
  std::vector<float> data_;
  Sketch summary_;
};

// ---- vocabulary of IntegerLookup

constexpr size_t kMostTokens = 1'000'000;

class IntegerLearner : public Learner {
 public:
  explicit IntegerLearner(const Layer& layer) : layer_(layer), weigh_(layer.config.text("output_mode") == "tf_idf") {
    const Config& config = layer.config;
    const bool mask = config.given("mask_token");
    if (mask) special_.insert(config.integer("mask_token"));
    special_.insert(config.integer("oov_token"));
    const int64_t first = (mask && config.text("output_mode") == "int" ? 1 : 0) + config.integer("num_oov_indices");
    if (config.given("max_tokens")) most_ = static_cast<size_t>(std::max<int64_t>(config.integer("max_tokens") - first, 0));
  }

  const char* keys() const override { return weigh_ ? "vocabulary and idf_weights" : "vocabulary"; }
  void add(const Tensor& batch) override {
    const int64_t rows = batch.dims().empty() ? 1 : batch.dims()[0];
    for (int64_t row = 0; row < rows; ++row) {
      ++documents_;
      const int64_t size = batch.size() / rows;
      for (int64_t i = row * size; i < (row + 1) * size; ++i) count(static_cast<int64_t>(batch.at(i)));
    }
  }

  spec::Node finish() override {
    std::vector<std::pair<int64_t, Count>> order;
    for (const auto& entry : counts_)
      if (!special_.contains(entry.first)) order.push_back(entry);
    if (order.empty()) throw cannot_learn(layer_, "its vocabulary cannot be learned: the training data holds no tokens");
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      return a.second.tokens != b.second.tokens ? a.second.tokens > b.second.tokens : a.first > b.first;
    });
    if (most_ && order.size() > *most_) order.resize(*most_);
    if (order.empty()) throw cannot_learn(layer_, "max_tokens leaves no room for a token beside the special ones");
    std::vector<spec::Node> tokens, weights;
    for (const auto& [token, count] : order) {
      tokens.push_back(spec::Node::integer(token));
      const double weight = std::log(1.0 + static_cast<double>(documents_) / (1.0 + static_cast<double>(count.documents)));
      weights.push_back(spec::Node::real(static_cast<float>(weight)));
    }
    spec::Node keys = spec::Node::map({{"vocabulary", spec::Node::list(std::move(tokens))}});
    if (weigh_) keys.set("idf_weights", spec::Node::list(std::move(weights)));
    return keys;
  }

 private:
  struct Count {
    int64_t tokens = 0, documents = 0, last_document = 0;
  };

  void count(int64_t token) {
    if (counts_.size() >= kMostTokens && !counts_.contains(token))
      throw cannot_learn(layer_, fmt::format("more than {} different tokens; give a vocabulary, or use Hashing", kMostTokens));
    Count& c = counts_[token];
    ++c.tokens;
    if (c.last_document == documents_) return;
    c.last_document = documents_;
    ++c.documents;
  }

  const Layer& layer_;
  bool weigh_;
  std::set<int64_t> special_;
  std::optional<size_t> most_;
  std::unordered_map<int64_t, Count> counts_;
  int64_t documents_ = 0;
};

struct LearningClass {
  std::string_view name;
  const char* key;  // given: nothing to learn
  std::unique_ptr<Learner> (*make)(const Layer& layer);
};
const LearningClass kLearningClasses[] = {
    {"Discretization", "bin_boundaries", [](const Layer& layer) { return make_bin_learner(layer); }},
    {"IntegerLookup", "vocabulary", make_integer_learner},
};

const LearningClass* learning_class(const Layer& layer) {
  for (const LearningClass& c : kLearningClasses)
    if (c.name == layer.def->class_name) return layer.config.given(c.key) ? nullptr : &c;
  return nullptr;
}

}  // namespace

std::unique_ptr<Learner> make_bin_learner(const Layer& layer, int64_t chunk) { return std::make_unique<BinLearner>(layer, chunk); }
std::unique_ptr<Learner> make_integer_learner(const Layer& layer) { return std::make_unique<IntegerLearner>(layer); }

bool must_learn(const Layer& layer) { return learning_class(layer) != nullptr; }

std::optional<LearnRequest> next_to_learn(const Model& model) {
  for (const LayerCall& call : model.calls) {
    const Layer& layer = *model.layers[call.layer];
    if (const LearningClass* c = learning_class(layer)) return LearnRequest{layer.name, call.inputs[0], c->make(layer)};
  }
  return std::nullopt;
}

spec::Node with_learned(const spec::Node& tree, const Model& model, const spec::Node& learned) {
  spec::Node result = tree;
  spec::Node* list = result.is_map() ? result.find("layers") : nullptr;
  DL_CHECK(list && list->is_list(), "only models with a list of layers learn");
  size_t next = 0;
  for (spec::Node& item : list->items()) {
    spec::Problems problems;
    const std::optional<spec::NamedConfig> named = read_object(item, "", problems);
    if (!named || named->name == "Input" || named->name == "InputLayer" || named->name == "call") continue;
    DL_CHECK(next < model.layers.size(), "a tree of another model");
    const Layer& layer = *model.layers[next++];
    const spec::Node* keys = learned.find(layer.name);
    if (!keys) continue;
    spec::Node config = named->config && named->config->is_map() ? *named->config : spec::Node::map({});
    for (const auto& [key, value] : keys->entries()) config.set(key, value);
    item = spec::Node::map({{named->name, std::move(config)}});
  }
  return result;
}

}  // namespace dl
