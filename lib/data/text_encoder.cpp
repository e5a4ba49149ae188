#include "data/text_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "base/fingerprint.h"
#include "base/utf8.h"
#include "data/tokenizer.h"

namespace dl {
namespace {

constexpr size_t kMostDistinct = 1'000'000;            // while learning
constexpr size_t kMostLearnedBytes = size_t{1} << 19;  // of all words, since they are kept as YAML
constexpr int64_t kMostColumns = int64_t{1} << 24;
constexpr std::string_view kTextModes[] = {"int", "one_hot", "multi_hot", "count", "tf_idf"};

// ---- keys

bool is_given(spec::Reader& reader, std::string_view key) {
  const spec::Node* node = reader.has(key) ? reader.get(key) : nullptr;
  return node && !node->is_null();
}

std::optional<int64_t> read_optional_int(spec::Reader& reader, std::string_view key, int64_t least) {
  if (!is_given(reader, key)) return {};
  return reader.get_int(key, {}, {least, kMostColumns});
}

std::optional<std::string> read_optional_text(spec::Reader& reader, std::string_view key) {
  const spec::Node* node = reader.has(key) ? reader.get(key) : nullptr;
  if (!node || node->is_null()) return {};
  if (!node->is_string()) reader.report(key, "must be a text, in quotes where it looks like a number");
  return node->is_string() ? node->as_string() : "";
}

std::string read_mode(spec::Reader& reader, size_t choices) {
  if (const spec::Node* node = reader.has("output_mode") ? reader.get("output_mode") : nullptr; node && node->is_string()) {
    if (node->as_string() == "binary" && choices > 2) return "multi_hot";
    if (node->as_string() == "tf-idf" && choices > 4) return "tf_idf";
  }
  return reader.get_choice("output_mode", std::span(kTextModes).first(choices), "int");
}

void refuse_unless(spec::Reader& reader, std::string_view key, const spec::Node& only) {
  const spec::Node* node = reader.has(key) ? reader.get(key) : nullptr;
  if (node && !node->is_null() && !(*node == only)) reader.report(key, "is not supported; leave it out");
}

std::vector<uint64_t> read_salt(spec::Reader& reader) {
  if (!is_given(reader, "salt")) return {};
  const std::vector<int64_t> salt = reader.get("salt")->is_list() ? reader.get_ints("salt") : std::vector<int64_t>{reader.get_int("salt")};
  if (salt.empty() || salt.size() > 2) reader.report("salt", "must be an integer or a list of two");
  return salt.empty() ? std::vector<uint64_t>() : std::vector<uint64_t>{static_cast<uint64_t>(salt[0]), static_cast<uint64_t>(salt.back())};
}

uint64_t hash_text(std::string_view text, const std::vector<uint64_t>& salt) {
  return salt.empty() ? farm_fingerprint(text) : sip_hash(text, salt[0], salt[1]);
}

std::vector<double> read_weights(spec::Reader& reader, std::string_view key) {
  std::vector<double> weights;
  if (!is_given(reader, key)) return weights;
  const spec::Node& node = *reader.get(key);
  bool numbers = node.is_list() && !node.items().empty();
  for (const spec::Node& item : numbers ? node.items() : std::vector<spec::Node>())
    if (item.is_number())
      weights.push_back(item.as_double());
    else
      numbers = false;
  if (!numbers) reader.report(key, "must be a list of numbers");
  return weights;
}

// ---- outputs

void put_integer(std::byte* row, size_t i, int64_t value) {
  const auto number = static_cast<int32_t>(value);
  std::memcpy(row + 4 * i, &number, 4);
}
void put_real(std::byte* row, size_t i, float value) { std::memcpy(row + 4 * i, &value, 4); }

// [n] texts to [n, depth], where n = 1 to [depth].
Dims one_hot_dims(const Dims& texts, int64_t depth) {
  Dims dims = texts;
  if (!dims.empty() && dims.back() == 1) dims.pop_back();
  dims.push_back(depth);
  return dims;
}

// Numbers (-1: none) as the mode says; `weights` for tf_idf.
void put_encoded(std::span<const int64_t> numbers, const std::string& mode, int64_t depth, const std::vector<float>& weights,
                 std::byte* row) {
  const auto width = static_cast<size_t>(depth);
  if (mode == "int") {
    for (size_t i = 0; i < numbers.size(); ++i) put_integer(row, i, numbers[i]);
    return;
  }
  std::vector<float> values(mode == "one_hot" ? width * numbers.size() : width, 0.0f);
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] < 0 || numbers[i] >= depth) continue;
    const auto at = static_cast<size_t>(numbers[i]);
    if (mode == "one_hot")
      values[i * width + at] = 1;
    else if (mode == "multi_hot")
      values[at] = 1;
    else
      values[at] += 1;
  }
  if (mode == "tf_idf")
    for (size_t i = 0; i < width; ++i) values[i] *= i < weights.size() ? weights[i] : 0.0f;
  for (size_t i = 0; i < values.size(); ++i) put_real(row, i, values[i]);
}

// ---- vocabulary

// What StringLookup and TextVectorization share: numbers of tokens, learned or given.
class Vocabulary {
 public:
  void read(spec::Reader& reader) {
    max_tokens = read_optional_int(reader, "max_tokens", 2);
    pad = reader.get_bool("pad_to_max_tokens", false);
    if (pad && !max_tokens) reader.report("pad_to_max_tokens", "needs max_tokens");
    refuse_unless(reader, "sparse", spec::Node::boolean(false));
    if (const spec::Node* encoding = reader.has("encoding") ? reader.get("encoding") : nullptr; encoding && encoding->is_string()) {
      if (encoding->as_string() != "utf-8" && encoding->as_string() != "UTF-8") reader.report("encoding", "must be utf-8");
    }
    for (const char* ignored : {"vocabulary_size", "has_input_vocabulary", "vocabulary_dtype", "oov_method", "trainable", "dtype", "name"})
      if (reader.has(ignored)) reader.get(ignored);
    std::vector<std::string> tokens;
    const bool listed = is_given(reader, "vocabulary");
    if (listed) {
      tokens = reader.get_strings("vocabulary");
      if (tokens.empty()) reader.report("vocabulary", "is empty: give tokens, or leave it out to learn them");
    }
    const std::vector<double> idf = read_weights(reader, "idf_weights");
    if (!idf.empty() && mode != "tf_idf") reader.report("idf_weights", "needs output_mode 'tf_idf'");
    if (!idf.empty() && idf.size() != tokens.size()) reader.report("idf_weights", "must be as many as the vocabulary has tokens");
    if (listed && idf.empty() && mode == "tf_idf") reader.report("idf_weights", "is missing for the vocabulary");
    if (listed && !tokens.empty()) take(tokens, idf, reader);
  }

  int64_t oov_start() const { return mask && mode == "int" ? 1 : 0; }
  int64_t first() const { return oov_start() + oov_count; }
  bool learns() const { return tokens_.empty(); }
  int64_t depth() const { return pad ? *max_tokens : first() + static_cast<int64_t>(tokens_.size()); }
  const std::vector<float>& weights() const { return weights_; }

  // -1: a masked token where it has no number.
  int64_t number(const std::string& token) const {
    if (mask && token == *mask) return mode == "int" ? 0 : -1;
    if (const auto found = numbers_.find(token); found != numbers_.end()) return found->second;
    if (oov_count == 0) throw FileError(fmt::format("'{}' is not in the vocabulary; num_oov_indices: 1 allows others", excerpt_of(token)));
    return oov_start() + (oov_count == 1 ? 0 : static_cast<int64_t>(hash_text(token, salt) % static_cast<uint64_t>(oov_count)));
  }

  void count(std::span<const std::string> document) {
    ++documents_;
    for (const std::string& token : document) {
      if (counts_.size() >= kMostDistinct && !counts_.contains(token))
        throw FileError(
            fmt::format("more than {} different tokens; split or clean the text, give a vocabulary, or use Hashing", kMostDistinct));
      Count& c = counts_[token];
      ++c.tokens;
      if (c.last_document == documents_) continue;
      c.last_document = documents_;
      ++c.documents;
    }
  }

  spec::Node learned() const {
    std::vector<std::pair<std::string_view, Count>> order;
    for (const auto& [token, count] : counts_)
      if (!(mask && token == *mask) && token != oov_token) order.emplace_back(token, count);
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      return a.second.tokens != b.second.tokens ? a.second.tokens > b.second.tokens : a.first > b.first;
    });
    if (max_tokens) order.resize(std::min(order.size(), static_cast<size_t>(std::max<int64_t>(*max_tokens - first(), 0))));
    if (order.empty()) throw UserError("finds no token to learn in the training data");
    size_t bytes = 0;
    for (const auto& [token, count] : order) bytes += token.size();
    if (order.size() > kMaxVocabulary || bytes > kMostLearnedBytes)
      throw UserError(fmt::format("learns {} tokens of {} bytes; say how many to keep with max_tokens (at most {} tokens and {} bytes)",
                                  order.size(), bytes, kMaxVocabulary, kMostLearnedBytes));
    std::vector<spec::Node> tokens, idf;
    for (const auto& [token, count] : order) {
      tokens.push_back(spec::Node::string(std::string(token)));
      const double weight = std::log(1.0 + static_cast<double>(documents_) / (1.0 + static_cast<double>(count.documents)));
      idf.push_back(spec::Node::real(static_cast<float>(weight)));
    }
    spec::Node keys = spec::Node::map({{"vocabulary", spec::Node::list(std::move(tokens))}});
    if (mode == "tf_idf") keys.set("idf_weights", spec::Node::list(std::move(idf)));
    return keys;
  }

  std::string mode = "int";
  std::optional<int64_t> max_tokens;
  std::optional<std::string> mask;
  std::string oov_token = "[UNK]";
  int64_t oov_count = 1;
  std::vector<uint64_t> salt;
  bool pad = false;

 private:
  struct Count {
    int64_t tokens = 0, documents = 0, last_document = 0;
  };

  static std::string excerpt_of(std::string_view token) {
    return token.size() <= 40 ? std::string(token) : std::string(token.substr(0, 40)) + "...";
  }

  // A list may begin with the special tokens, all of them.
  void take(const std::vector<std::string>& given, const std::vector<double>& idf, spec::Reader& reader) {
    std::vector<std::string> special(static_cast<size_t>(first()), oov_token);
    if (oov_start() == 1) special[0] = *mask;
    const bool begins = given.size() > special.size() && std::equal(special.begin(), special.end(), given.begin());
    tokens_.assign(given.begin() + static_cast<std::ptrdiff_t>(begins ? special.size() : 0), given.end());
    for (const std::string& token : tokens_) {
      if (mask && token == *mask)
        return reader.report("vocabulary", "has the mask token among its tokens: it begins with all special ones, or has none");
      if (!numbers_.emplace(token, first() + static_cast<int64_t>(numbers_.size())).second)
        return reader.report("vocabulary", fmt::format("has '{}' twice", excerpt_of(token)));
    }
    const int64_t size = first() + static_cast<int64_t>(tokens_.size());
    if (max_tokens && size > *max_tokens) reader.report("max_tokens", fmt::format("is less than the size of the vocabulary, {}", size));
    if (idf.empty()) return;
    const double mean = std::accumulate(idf.begin(), idf.end(), 0.0) / static_cast<double>(idf.size());
    weights_.assign(begins ? 0 : static_cast<size_t>(first()), static_cast<float>(mean));
    weights_.insert(weights_.end(), idf.begin(), idf.end());
  }

  std::vector<std::string> tokens_;
  std::unordered_map<std::string, int64_t> numbers_;
  std::vector<float> weights_;
  std::unordered_map<std::string, Count> counts_;
  int64_t documents_ = 0;
};

// ---- the classes

class StringLookup : public TextEncoder {
 public:
  explicit StringLookup(spec::Reader& reader) {
    vocabulary_.mode = read_mode(reader, 5);
    vocabulary_.oov_count = reader.get_int("num_oov_indices", 1, {0, kMostColumns});
    vocabulary_.mask = read_optional_text(reader, "mask_token");
    vocabulary_.oov_token = read_optional_text(reader, "oov_token").value_or("[UNK]");
    vocabulary_.salt = read_salt(reader);
    refuse_unless(reader, "invert", spec::Node::boolean(false));
    vocabulary_.read(reader);
  }
  bool learns() const override { return vocabulary_.learns(); }
  void learn(std::span<const std::string> texts) override { vocabulary_.count(texts); }
  spec::Node learned() const override { return vocabulary_.learned(); }
  DType dtype() const override { return vocabulary_.mode == "int" ? DType::kInt32 : DType::kFloat32; }
  Dims output(const Dims& texts) const override {
    if (vocabulary_.mode == "int") return texts;
    return vocabulary_.mode == "one_hot" ? one_hot_dims(texts, vocabulary_.depth()) : Dims{vocabulary_.depth()};
  }
  void encode(std::span<const std::string> texts, std::byte* row) const override {
    std::vector<int64_t> numbers;
    for (const std::string& text : texts) numbers.push_back(vocabulary_.number(text));
    put_encoded(numbers, vocabulary_.mode, vocabulary_.depth(), vocabulary_.weights(), row);
  }

 private:
  Vocabulary vocabulary_;
};

class TextVectorization : public TextEncoder {
 public:
  explicit TextVectorization(spec::Reader& reader) {
    static constexpr std::string_view kStandardize[] = {"lower_and_strip_punctuation", "lower", "strip_punctuation", "none"};
    static constexpr std::string_view kSplit[] = {"whitespace", "character", "none"};
    const auto choice = [&](std::string_view key, std::span<const std::string_view> all) {
      const spec::Node* node = reader.has(key) ? reader.get(key) : nullptr;
      return node && node->is_null() ? std::string("none") : reader.get_choice(key, all, std::string(all[0]));
    };
    const std::string standardize = choice("standardize", kStandardize);
    lower_ = standardize.starts_with("lower");
    strip_ = standardize.ends_with("strip_punctuation");
    split_ = choice("split", kSplit);
    read_ngrams(reader);
    vocabulary_.mode = read_mode(reader, 5);
    vocabulary_.mask = "";
    length_ = read_optional_int(reader, "output_sequence_length", 1);
    refuse_unless(reader, "ragged", spec::Node::boolean(false));
    if (vocabulary_.mode != "int" && length_) reader.report("output_sequence_length", "needs output_mode 'int'");
    if (vocabulary_.mode == "int" && !length_ && !(split_ == "none" && ngrams_.empty()))
      reader.report("output_sequence_length", "is missing: how many numbers each text becomes, cut or padded with 0");
    if (vocabulary_.mode == "one_hot" && split_ != "none") reader.report("output_mode", "one_hot needs split: null; or choose multi_hot");
    vocabulary_.read(reader);
  }
  bool learns() const override { return vocabulary_.learns(); }
  void learn(std::span<const std::string> texts) override { vocabulary_.count(tokens_of(texts)); }
  spec::Node learned() const override { return vocabulary_.learned(); }
  DType dtype() const override { return vocabulary_.mode == "int" ? DType::kInt32 : DType::kFloat32; }
  Dims output(const Dims& texts) const override {
    if (split_ != "none" && element_count(texts) != 1)
      throw UserError(fmt::format("splits one text of a sample, not {}; give each column a field of its own", element_count(texts)));
    if (vocabulary_.mode == "one_hot") return one_hot_dims({gram_count(element_count(texts))}, vocabulary_.depth());
    if (vocabulary_.mode != "int") return {vocabulary_.depth()};
    return {length_.value_or(element_count(texts))};
  }
  void encode(std::span<const std::string> texts, std::byte* row) const override {
    std::vector<int64_t> numbers;
    for (const std::string& token : tokens_of(texts)) {
      if (length_ && static_cast<int64_t>(numbers.size()) == *length_) break;
      numbers.push_back(vocabulary_.number(token));
    }
    if (length_) numbers.resize(static_cast<size_t>(*length_), 0);
    put_encoded(numbers, vocabulary_.mode, vocabulary_.depth(), vocabulary_.weights(), row);
  }

 private:
  void read_ngrams(spec::Reader& reader) {
    if (!is_given(reader, "ngrams")) return;
    if (reader.get("ngrams")->is_list()) {
      ngrams_ = reader.get_ints("ngrams", {}, {1, 100});
    } else {
      for (int64_t width = 1, last = reader.get_int("ngrams", {}, {1, 100}); width <= last; ++width) ngrams_.push_back(width);
    }
  }
  int64_t gram_count(int64_t texts) const {
    if (ngrams_.empty()) return texts;
    int64_t count = 0;
    for (const int64_t width : ngrams_) count += std::max<int64_t>(texts - width + 1, 0);
    return count;
  }

  std::vector<std::string> tokens_of(std::span<const std::string> texts) const {
    std::vector<std::string> tokens;
    for (const std::string& text : texts) split_text(standardize_text(text, lower_, strip_), tokens);
    if (ngrams_.empty()) return tokens;
    std::vector<std::string> grams;
    for (const int64_t wide : ngrams_)
      for (size_t i = 0, width = static_cast<size_t>(wide); i + width <= tokens.size(); ++i) {
        std::string gram = tokens[i];
        for (size_t k = 1; k < width; ++k) gram += " " + tokens[i + k];
        grams.push_back(std::move(gram));
      }
    return grams;
  }

  void split_text(std::string text, std::vector<std::string>& tokens) const {
    if (split_ == "none") return tokens.push_back(std::move(text));
    for (std::string_view rest = text; !rest.empty();) {
      const std::string_view token = split_ == "character" ? next_character(rest) : next_word(rest);
      if (!token.empty()) tokens.emplace_back(token);
    }
  }
  static std::string_view next_character(std::string_view& rest) {
    const CodePoint c = decode_utf8(rest);
    const auto size = static_cast<size_t>(c.valid ? c.size : 1);
    const std::string_view token = c.valid ? rest.substr(0, size) : std::string_view("\xEF\xBF\xBD");
    rest.remove_prefix(size);
    return token;
  }
  static std::string_view next_word(std::string_view& rest) {
    size_t begin = 0;
    while (begin < rest.size() && is_text_space(rest[begin])) ++begin;
    size_t end = begin;
    while (end < rest.size() && !is_text_space(rest[end])) ++end;
    const std::string_view token = rest.substr(begin, end - begin);
    rest.remove_prefix(end);
    return token;
  }

  bool lower_ = true, strip_ = true;
  std::string split_;
  std::vector<int64_t> ngrams_;
  std::optional<int64_t> length_;
  Vocabulary vocabulary_;
};

class TextHashing : public TextEncoder {
 public:
  TextHashing(spec::Reader& reader, bool cross) : cross_(cross) {
    bins_ = reader.get_int("num_bins", {}, {1, cross ? int64_t{1} << 31 : int64_t{1} << 31});
    mode_ = read_mode(reader, cross ? 2 : 4);
    if (!cross) {
      mask_ = read_optional_text(reader, "mask_value");
      salt_ = read_salt(reader);
    }
    refuse_unless(reader, "sparse", spec::Node::boolean(false));
    for (const char* ignored : {"dtype", "name", "trainable"})
      if (reader.has(ignored)) reader.get(ignored);
    if (mode_ != "int" && bins_ > kMostColumns)
      reader.report("num_bins", fmt::format("is above {} with output_mode '{}'", kMostColumns, mode_));
  }
  DType dtype() const override { return mode_ == "int" ? DType::kInt32 : DType::kFloat32; }
  Dims output(const Dims& texts) const override {
    if (cross_ && element_count(texts) < 2) throw UserError("crosses two or more columns of a field; this one has one");
    const Dims bins = cross_ ? Dims{1} : texts;
    if (mode_ == "int") return bins;
    return mode_ == "one_hot" ? one_hot_dims(bins, bins_) : Dims{bins_};
  }
  void encode(std::span<const std::string> texts, std::byte* row) const override {
    std::vector<int64_t> numbers;
    if (cross_) {
      uint64_t hash = kCrossingStart;
      for (const std::string& text : texts) hash = join_fingerprints(hash, farm_fingerprint(text));
      numbers.push_back(static_cast<int64_t>(hash % static_cast<uint64_t>(bins_)));
    } else {
      for (const std::string& text : texts) numbers.push_back(bin_of(text));
    }
    put_encoded(numbers, mode_, bins_, {}, row);
  }

 private:
  int64_t bin_of(const std::string& text) const {
    if (!mask_ || bins_ == 1) return static_cast<int64_t>(hash_text(text, salt_) % static_cast<uint64_t>(bins_));
    return text == *mask_ ? 0 : 1 + static_cast<int64_t>(hash_text(text, salt_) % static_cast<uint64_t>(bins_ - 1));
  }

  bool cross_;
  int64_t bins_ = 1;
  std::string mode_;
  std::optional<std::string> mask_;
  std::vector<uint64_t> salt_;
};

struct EncoderRow {
  std::string_view name;
  std::unique_ptr<TextEncoder> (*make)(spec::Reader&);
};
using Made = std::unique_ptr<TextEncoder>;
const EncoderRow kEncoders[] = {
    {"TextVectorization", [](spec::Reader& r) -> Made { return std::make_unique<TextVectorization>(r); }},
    {"StringLookup", [](spec::Reader& r) -> Made { return std::make_unique<StringLookup>(r); }},
    {"Hashing", [](spec::Reader& r) -> Made { return std::make_unique<TextHashing>(r, false); }},
    {"HashedCrossing", [](spec::Reader& r) -> Made { return std::make_unique<TextHashing>(r, true); }},
};

}  // namespace

std::vector<std::string_view> text_encoder_names() {
  std::vector<std::string_view> names;
  for (const EncoderRow& row : kEncoders) names.push_back(row.name);
  return names;
}

bool is_text_encoder(std::string_view class_name) {
  return std::any_of(std::begin(kEncoders), std::end(kEncoders), [&](const EncoderRow& row) { return row.name == class_name; });
}

std::unique_ptr<TextEncoder> make_text_encoder(std::string_view class_name, spec::Reader& reader) {
  for (const EncoderRow& row : kEncoders)
    if (row.name == class_name) return row.make(reader);
  return nullptr;
}

}  // namespace dl
