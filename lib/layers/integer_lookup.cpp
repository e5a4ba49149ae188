#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "base/error.h"
#include "layers/categories.h"
#include "ops/builders.h"
#include "ops/hash.h"

namespace dl {
namespace {

// Beyond it, operators that work in double would take two tokens for one.
constexpr int64_t kLargestToken = int64_t{1} << 53;

// What the keys say, in one place.
struct Lookup {
  std::vector<int64_t> tokens;  // without special ones
  std::optional<int64_t> mask;
  int64_t oov_token = -1, oov_count = 1;
  bool has_specials = false;  // `vocabulary` and `idf_weights` begin with them
  std::string mode;
  bool farmhash = false;
  std::vector<int64_t> salt;

  int64_t oov_start() const { return mask && mode == "int" ? 1 : 0; }
  int64_t first() const { return oov_start() + oov_count; }
};

Lookup read_lookup(const Config& config) {
  Lookup lookup;
  lookup.mode = config.text("output_mode");
  lookup.farmhash = config.text("oov_method") == "farmhash";
  lookup.salt = salt_of(config);
  lookup.oov_count = config.integer("num_oov_indices");
  lookup.oov_token = config.integer("oov_token");
  if (config.given("mask_token")) lookup.mask = config.integer("mask_token");
  lookup.tokens = config.integers("vocabulary");
  std::vector<int64_t> special(static_cast<size_t>(lookup.first()), lookup.oov_token);
  if (lookup.oov_start() == 1) special[0] = *lookup.mask;
  if (lookup.tokens.size() >= special.size() && std::equal(special.begin(), special.end(), lookup.tokens.begin())) {
    lookup.tokens.erase(lookup.tokens.begin(), lookup.tokens.begin() + static_cast<std::ptrdiff_t>(special.size()));
    lookup.has_specials = true;
  }
  return lookup;
}

void check_vocabulary(const Layer& layer, spec::Reader& reader, const Lookup& lookup) {
  std::set<int64_t> seen;
  for (const int64_t token : lookup.tokens) {
    if (!seen.insert(token).second) return reader.report("vocabulary", fmt::format("has {} twice", token));
    if (std::abs(static_cast<double>(token)) > static_cast<double>(kLargestToken))
      return reader.report("vocabulary", fmt::format("has {}, but integers beyond 2^53 are not told apart", token));
  }
  const bool invert = layer.config.flag("invert");
  if ((lookup.mask && seen.contains(*lookup.mask)) || (invert && seen.contains(lookup.oov_token)))
    reader.report("vocabulary", "has the mask or out-of-vocabulary token among its tokens: it begins with all of them, or has none");
  const Config& config = layer.config;
  const auto size = static_cast<int64_t>(lookup.tokens.size()) + lookup.first();
  if (config.given("max_tokens") && size > config.integer("max_tokens"))
    reader.report("max_tokens", fmt::format("is less than the size of the vocabulary, {}", size));
  if (lookup.mode != "tf_idf") return;
  if (!config.node("idf_weights").is_list() || config.reals("idf_weights").size() != config.integers("vocabulary").size())
    reader.report("idf_weights", "must be a list of as many numbers as the vocabulary has tokens");
}

void check_integer_lookup(Layer& layer, spec::Reader& reader) {
  const Config& config = layer.config;
  const bool learns = !config.given("vocabulary");  // from the training data
  if (!learns && config.integers("vocabulary").empty())
    return reader.report("vocabulary", "is empty: give integers, or leave it out to learn them");
  if (learns && config.flag("invert")) return reader.report("vocabulary", "is missing: the integers that invert gives back");
  if (config.flag("invert") && config.text("output_mode") != "int") reader.report("output_mode", "must be 'int' with invert");
  if (config.flag("pad_to_max_tokens") && !config.given("max_tokens")) reader.report("max_tokens", "is missing for pad_to_max_tokens");
  if (config.given("salt") && config.text("oov_method") != "farmhash") reader.report("salt", "needs oov_method 'farmhash'");
  check_salt(layer, reader);
  if (config.given("idf_weights") && config.text("output_mode") != "tf_idf") reader.report("idf_weights", "needs output_mode 'tf_idf'");
  if (learns) {
    if (config.given("idf_weights")) reader.report("idf_weights", "needs the vocabulary they belong to");
    return;
  }
  check_vocabulary(layer, reader, read_lookup(config));
}

Tensor integer_tensor(const std::vector<int64_t>& values) {
  return Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, std::span<const int64_t>(values));
}

// Position of x in the tokens, and whether it is there.
struct FoundTokens {
  Var position, is_there;
};
FoundTokens find_tokens(Var x, const std::vector<int64_t>& tokens) {
  std::vector<int64_t> order(tokens.size()), sorted;
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int64_t a, int64_t b) { return tokens[static_cast<size_t>(a)] < tokens[static_cast<size_t>(b)]; });
  for (const int64_t i : order) sorted.push_back(tokens[static_cast<size_t>(i)]);
  const Var place = maximum(count_not_above(x, integer_tensor(sorted)) - 1.0, 0.0);
  return {gather(constant(*x.graph, integer_tensor(order)), place, 0),
          equal(gather(constant(*x.graph, integer_tensor(sorted)), place, 0), x)};
}

Var look_back(Var x, const Lookup& lookup) {
  const auto size = static_cast<double>(lookup.tokens.size()), first = static_cast<double>(lookup.first());
  const Var place = x - first;
  const Var token = gather(constant(*x.graph, integer_tensor(lookup.tokens)), clip(place, 0, size - 1), 0);
  const Var y = select(logical_and(greater_equal(place, 0.0), less(place, size)), token, static_cast<double>(lookup.oov_token));
  return lookup.mask ? select(equal(x, 0.0), static_cast<double>(*lookup.mask), y) : y;
}

// -1 where nothing is found and there is no index for that; a masked token gets 0, or none where it would be encoded.
Var look_up(Var x, const Lookup& lookup) {
  const FoundTokens found = find_tokens(x, lookup.tokens);
  const Var index = found.position + static_cast<double>(lookup.first());
  const auto start = static_cast<double>(lookup.oov_start());
  Var y;
  if (lookup.oov_count > 1 && lookup.farmhash)
    y = select(found.is_there, index, hash_bucket(x, lookup.oov_count, lookup.salt) + start);
  else if (lookup.oov_count > 1)
    y = select(found.is_there, index, mod(x, static_cast<double>(lookup.oov_count)) + start);
  else
    y = select(found.is_there, index, lookup.oov_count == 0 ? -1.0 : start);
  return lookup.mask ? select(equal(x, static_cast<double>(*lookup.mask)), lookup.mode == "int" ? 0.0 : -1.0, y) : y;
}

Var idf_tensor(LayerContext& context, const Lookup& lookup, int64_t depth) {
  const std::vector<double> given = context.config().reals("idf_weights");
  Tensor weights(context.variable_dtype(), {depth});
  const int64_t front = lookup.has_specials ? 0 : lookup.first();
  const double mean = std::accumulate(given.begin(), given.end(), 0.0) / static_cast<double>(given.size());
  for (int64_t i = 0; i < front; ++i) weights.set(i, mean);
  for (size_t i = 0; i < given.size(); ++i) weights.set(front + static_cast<int64_t>(i), given[i]);
  return constant(context.graph(), weights);
}

std::vector<MaskedVar> build_integer_lookup(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Config& config = context.config();
  if (!config.given("vocabulary")) throw UserError("has no vocabulary yet: training learns it from its data (dltool train); or give one");
  const Lookup lookup = read_lookup(config);
  const Var x = cast(inputs[0].value, DType::kInt64);
  if (config.flag("invert")) return {{look_back(x, lookup), {}}};
  const Var index = look_up(x, lookup);
  if (lookup.mode == "int") return {{index, {}}};
  const int64_t depth =
      config.flag("pad_to_max_tokens") ? config.integer("max_tokens") : lookup.first() + static_cast<int64_t>(lookup.tokens.size());
  const bool weigh = lookup.mode == "tf_idf";
  const Var y = encode_categories(index, weigh ? "count" : lookup.mode, depth, context.variable_dtype());
  return {{weigh ? y * idf_tensor(context, lookup, depth) : cast(y, DType::kInt64), {}}};
}

}  // namespace

const LayerDef layer_integer_lookup = {
    .class_name = "IntegerLookup",
    .summary = "The place of each integer in a vocabulary (or back, with invert), or that as one-hot, multi-hot, counts or TF-IDF.",
    .keys = {{.name = "max_tokens", .kind = KeyKind::kInt, .min = 2, .max = 2147483647},
             int_key("num_oov_indices", spec::Node::integer(1), 0),
             {.name = "mask_token", .kind = KeyKind::kInt},
             {.name = "oov_token", .kind = KeyKind::kInt, .fallback = spec::Node::integer(-1)},
             ints_key("vocabulary"),
             choice_key("vocabulary_dtype", {"int64"}, "int64"),
             floats_key("idf_weights"),
             bool_key("invert", false),
             choice_key("output_mode", {"int", "one_hot", "multi_hot", "count", "tf_idf"}, "int"),
             unsupported_key("sparse", spec::Node::boolean(false)),
             bool_key("pad_to_max_tokens", false),
             choice_key("oov_method", {"floormod", "farmhash"}, "floormod"),
             ints_key("salt"),
             ignored_key("vocabulary_size"),
             ignored_key("has_input_vocabulary")},
    .check = check_integer_lookup,
    .build = build_integer_lookup,
};

}  // namespace dl
