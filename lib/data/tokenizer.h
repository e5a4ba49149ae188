// Text to numbers of words or characters, with the keys and rules of Keras's TextVectorization: 0 pads, 1 stands for what is not in the
// vocabulary, then the vocabulary, most frequent first (of equal ones the last by bytes first, as Keras sorts).
// Who uses it: records with text inputs; text_encoder.cpp shares its rules.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "spec/reader.h"

namespace dl {

struct TextOptions {
  bool lower = true, strip_punctuation = true, characters = false;
  int64_t length = 0;      // output_sequence_length
  int64_t max_tokens = 0;  // with the two reserved numbers; 0: no limit but kMaxVocabulary
  std::vector<std::string> vocabulary;
};
inline constexpr size_t kMaxVocabulary = 40'000;  // of words that are kept with a model

// What is stripped and split at, as Keras does: ASCII alone.
bool is_text_space(char c);
std::string standardize_text(std::string_view text, bool lower, bool strip_punctuation);

TextOptions read_text_options(const spec::Node& node, const std::string& path, spec::Problems& problems);

class Tokenizer {
 public:
  // An empty vocabulary is learned.
  Tokenizer(const TextOptions& options, const std::vector<std::string>& vocabulary);
  // The numbers of `text`, exactly options.length of them; preliminary ones while learning.
  void encode(std::string_view text, std::vector<int32_t>& numbers);
  // Ends learning: what preliminary numbers become. Empty when the vocabulary was given.
  std::vector<int32_t> learn();
  const std::vector<std::string>& vocabulary() const { return vocabulary_; }

 private:
  void add(std::string_view token, std::vector<int32_t>& numbers);

  TextOptions options_;
  bool learning_;
  std::vector<std::string> vocabulary_;
  std::unordered_map<std::string, int32_t> numbers_;
  std::vector<int64_t> counts_;  // while learning, of number - 2
};

}  // namespace dl
