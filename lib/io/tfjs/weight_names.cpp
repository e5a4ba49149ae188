#include "io/tfjs/weight_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace dl::tfjs {
namespace {

// What tells the weights of one layer apart, besides their order.
struct Role {
  std::string leaf;   // "kernel"
  int direction = 0;  // of Bidirectional: 1 forward, -1 backward
  auto operator<=>(const Role&) const = default;
};

int direction_of(std::string_view path) {
  const auto has_part = [&](std::string_view word) {
    for (size_t at = path.find(word); at != std::string_view::npos; at = path.find(word, at + 1))
      if (at == 0 || path[at - 1] == '/') return true;
    return false;
  };
  return has_part("forward_") ? 1 : has_part("backward_") ? -1 : 0;
}

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('/') + 1); }

class Matcher {
 public:
  Matcher(const StoredWeights& stored, KerasImport& import, const std::string& file)
      : stored_(stored), import_(import), file_(file), taken_(stored.entries().size(), false) {}

  void run() {
    std::vector<bool> found(import_.layers.size(), false);
    for (size_t l = 0; l < import_.layers.size(); ++l) found[l] = import_.weights[l].empty() || take_layer(l, import_.layers[l].name);
    for (size_t l = 0; l < import_.layers.size(); ++l)
      if (!found[l]) found[l] = take_inner_layer(l);
    for (size_t l = 0; l < import_.layers.size(); ++l)
      if (!found[l])
        for (const KerasWeight& weight : import_.weights[l])
          if (!import_.saved.weights.contains(weight.name)) problems_.push_back(fmt::format("has no weight for '{}'", weight.name));
    for (size_t e = 0; e < taken_.size(); ++e)
      if (!taken_[e] && !is_dispensable(stored_.entries()[e].name))
        problems_.push_back(fmt::format("weight '{}' belongs to no layer of the model", stored_.entries()[e].name.substr(0, 200)));
    if (problems_.empty()) return;
    constexpr size_t kMaxLines = 50;
    if (problems_.size() > kMaxLines) problems_.resize(kMaxLines);
    for (std::string& problem : problems_) problem = fmt::format("{}: {}", file_, problem);
    throw FileError(fmt::format("{}", fmt::join(problems_, "\n")));
  }

 private:
  static bool is_dispensable(const std::string& name) { return name.find("seed_generator") != std::string::npos; }

  // A layer of an inner model is called OUTER_INNER here, and may be called INNER in the file.
  bool take_inner_layer(size_t l) {
    const KerasLayerEntry& layer = import_.layers[l];
    if (layer.outermost == layer.name) return false;
    for (size_t at = layer.name.find('_'); at != std::string::npos; at = layer.name.find('_', at + 1))
      if (take_layer(l, layer.name.substr(at + 1))) return true;
    return false;
  }

  // What follows `layer` in the name of a stored weight, "" when it is not of that layer.
  static std::string_view below(std::string_view name, std::string_view layer) {
    for (size_t at = name.find(layer); at != std::string_view::npos; at = name.find(layer, at + 1)) {
      const size_t end = at + layer.size();
      if ((at == 0 || name[at - 1] == '/') && end < name.size() && name[end] == '/') return name.substr(end + 1);
    }
    return {};
  }

  // Keras 3 calls kernel what earlier versions call depthwise_kernel.
  std::string leaf_of(std::string_view path, size_t l) const {
    std::string leaf(last_part(path));
    if (leaf.ends_with(":0")) leaf.resize(leaf.size() - 2);
    if (import_.layers[l].class_name.starts_with("Depthwise") && leaf == "depthwise_kernel") leaf = "kernel";
    return leaf;
  }

  bool take_layer(size_t l, const std::string& name) {
    std::map<Role, std::vector<size_t>> given, wanted;
    for (size_t e = 0; e < taken_.size(); ++e) {
      const std::string_view rest = taken_[e] ? std::string_view() : below(stored_.entries()[e].name, name);
      if (!rest.empty()) given[{leaf_of(rest, l), direction_of(rest)}].push_back(e);
    }
    for (size_t w = 0; w < import_.weights[l].size(); ++w)
      wanted[{leaf_of(import_.weights[l][w].name, l), direction_of(import_.weights[l][w].object)}].push_back(w);
    const bool fits = std::all_of(wanted.begin(), wanted.end(), [&](const auto& row) {
      const auto found = given.find(row.first);
      return found != given.end() && found->second.size() == row.second.size();
    });
    if (!fits) return false;
    for (const auto& [role, weights] : wanted)
      for (size_t i = 0; i < weights.size(); ++i) take(given.at(role)[i], import_.weights[l][weights[i]]);
    return true;
  }

  void take(size_t e, const KerasWeight& weight) {
    taken_[e] = true;
    const WeightEntry& entry = stored_.entries()[e];
    if (entry.dims == weight.dims) {
      import_.saved.weights[weight.name] = stored_.read(entry).cast(weight.dtype);
    } else {
      problems_.push_back(fmt::format("weight '{}': has shape {}, weight '{}' of the model has {}", entry.name,
                                      to_string(std::span<const int64_t>(entry.dims)), weight.name,
                                      to_string(std::span<const int64_t>(weight.dims))));
    }
  }

  const StoredWeights& stored_;
  KerasImport& import_;
  const std::string& file_;
  std::vector<bool> taken_;
  std::vector<std::string> problems_;
};

}  // namespace

void read_weights(const StoredWeights& stored, KerasImport& import, const std::string& file) { Matcher(stored, import, file).run(); }

}  // namespace dl::tfjs
