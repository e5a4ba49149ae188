// Texts to numbers as Keras's layers StringLookup, TextVectorization, Hashing and HashedCrossing do it: keys, defaults, order of the
// vocabulary, numbers of the hashes.
// Who uses it: text_steps.cpp, a step of a field; importers of models that begin with such a layer.
// Thread-safety: learn from one thread; encode from any number.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spec/reader.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace dl {

class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  // Has a vocabulary to be learned: `learn` sees the texts of each training sample once; `learned` then gives keys of the config for it.
  // UserError where there is nothing to learn, or too much.
  virtual bool learns() const { return false; }
  virtual void learn(std::span<const std::string>) {}
  virtual spec::Node learned() const { return {}; }

  virtual DType dtype() const = 0;                   // kInt32 or kFloat32
  virtual Dims output(const Dims& texts) const = 0;  // of a sample with so many texts; UserError where it does not take them
  virtual void encode(std::span<const std::string> texts, std::byte* row) const = 0;  // UserError: a text that has no number
};

bool is_text_encoder(std::string_view class_name);
std::vector<std::string_view> text_encoder_names();
// Null for another class. Problems are reported; finish() is the caller's.
std::unique_ptr<TextEncoder> make_text_encoder(std::string_view class_name, spec::Reader& reader);

}  // namespace dl
