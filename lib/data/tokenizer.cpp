#include "data/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/utf8.h"

namespace dl {
namespace {

constexpr int32_t kUnknown = 1, kFirst = 2;
constexpr size_t kMaxDistinct = 1'000'000;  // while learning
constexpr std::string_view kPunctuation = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'";

}  // namespace

bool is_text_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string standardize_text(std::string_view text, bool lower, bool strip_punctuation) {
  std::string clean;
  clean.reserve(text.size());
  for (char c : text) {
    if (lower && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (!strip_punctuation || kPunctuation.find(c) == std::string_view::npos) clean += c;
  }
  return clean;
}

TextOptions read_text_options(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  static constexpr std::string_view kStandardize[] = {"lower_and_strip_punctuation", "lower", "strip_punctuation", "none"};
  static constexpr std::string_view kSplit[] = {"whitespace", "character"};
  spec::Reader reader(node, path, problems);
  TextOptions options;
  const std::string standardize = reader.get_choice("standardize", kStandardize, "lower_and_strip_punctuation");
  options.lower = standardize.starts_with("lower");
  options.strip_punctuation = standardize.ends_with("strip_punctuation");
  options.characters = reader.get_choice("split", kSplit, "whitespace") == "character";
  options.length = reader.get_int("output_sequence_length", {}, {1, 1 << 24});
  options.max_tokens = reader.get_int("max_tokens", 0, {0, static_cast<int64_t>(kMaxVocabulary) + kFirst});
  if (options.max_tokens > 0 && options.max_tokens <= kFirst) reader.report("max_tokens", "must be 3 or more, since 0 and 1 are reserved");
  options.vocabulary = reader.get_strings("vocabulary", std::vector<std::string>{});
  std::vector<std::string> sorted = options.vocabulary;
  std::sort(sorted.begin(), sorted.end());
  if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end())
    reader.report("vocabulary", fmt::format("'{}' is listed twice", *twice));
  reader.finish();
  return options;
}

Tokenizer::Tokenizer(const TextOptions& options, const std::vector<std::string>& vocabulary)
    : options_(options), learning_(vocabulary.empty()), vocabulary_(vocabulary) {
  for (size_t i = 0; i < vocabulary_.size(); ++i) numbers_.emplace(vocabulary_[i], static_cast<int32_t>(i) + kFirst);
}

void Tokenizer::add(std::string_view token, std::vector<int32_t>& numbers) {
  const auto found = numbers_.find(std::string(token));
  int32_t number = found == numbers_.end() ? kUnknown : found->second;
  if (learning_) {
    if (found == numbers_.end()) {
      if (vocabulary_.size() >= kMaxDistinct)
        throw FileError(fmt::format("more than {} different words; split or clean the text, or give a vocabulary", kMaxDistinct));
      number = static_cast<int32_t>(vocabulary_.size()) + kFirst;
      numbers_.emplace(token, number);
      vocabulary_.emplace_back(token);
      counts_.push_back(0);
    }
    ++counts_[static_cast<size_t>(number - kFirst)];
  }
  if (static_cast<int64_t>(numbers.size()) < options_.length) numbers.push_back(number);
}

void Tokenizer::encode(std::string_view text, std::vector<int32_t>& numbers) {
  numbers.clear();
  const std::string clean = standardize_text(text, options_.lower, options_.strip_punctuation);
  std::string_view rest = clean;
  while (!rest.empty()) {
    size_t size = 1;
    if (options_.characters) {
      const CodePoint c = decode_utf8(rest);
      size = c.valid ? static_cast<size_t>(c.size) : 1;
    } else if (is_text_space(rest[0])) {
      rest.remove_prefix(1);
      continue;
    } else {
      while (size < rest.size() && !is_text_space(rest[size])) ++size;
    }
    add(rest.substr(0, size), numbers);
    rest.remove_prefix(size);
  }
  numbers.resize(static_cast<size_t>(options_.length), 0);
}

std::vector<int32_t> Tokenizer::learn() {
  if (!learning_) return {};
  learning_ = false;
  std::vector<size_t> order(vocabulary_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return counts_[a] != counts_[b] ? counts_[a] > counts_[b] : vocabulary_[a] > vocabulary_[b]; });
  const size_t limit = options_.max_tokens ? static_cast<size_t>(options_.max_tokens - kFirst) : kMaxVocabulary;
  if (order.size() > limit) {
    if (!options_.max_tokens)
      throw FileError(
          fmt::format("{} different words; say how many to keep with max_tokens (at most {})", order.size(), kMaxVocabulary + kFirst));
    order.resize(limit);
  }
  std::vector<int32_t> renumber(vocabulary_.size() + kFirst, kUnknown);
  renumber[0] = 0;
  std::vector<std::string> kept;
  for (const size_t i : order) {
    renumber[i + kFirst] = static_cast<int32_t>(kept.size()) + kFirst;
    kept.push_back(vocabulary_[i]);
  }
  vocabulary_ = std::move(kept);
  numbers_.clear();
  for (size_t i = 0; i < vocabulary_.size(); ++i) numbers_.emplace(vocabulary_[i], static_cast<int32_t>(i) + kFirst);
  return renumber;
}

}  // namespace dl
