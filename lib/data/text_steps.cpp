#include "data/text_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/error.h"
#include "data/config.h"
#include "data/file.h"
#include "data/source.h"
#include "data/steps.h"
#include "data/text_encoder.h"
#include "data/text_store.h"

namespace dl {
namespace {

using EncoderPtr = std::unique_ptr<TextEncoder>;

constexpr int64_t kMaxVocabularyBytes = int64_t{256} << 20;

spec::Node read_vocabulary_file(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path, kMaxVocabularyBytes);
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::vector<spec::Node> tokens;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    tokens.push_back(spec::Node::string(std::string(line)));
  }
  if (tokens.empty()) throw FileError(printable(path) + ": is empty; expected a vocabulary, one token a line");
  return spec::Node::list(std::move(tokens));
}

void read_vocabularies_below(spec::Node& node, const std::string& base_dir) {
  if (node.is_list())
    for (spec::Node& item : node.items()) read_vocabularies_below(item, base_dir);
  if (!node.is_map()) return;
  for (auto& [key, value] : node.entries()) {
    if (key != "vocabulary" || !value.is_string()) {
      read_vocabularies_below(value, base_dir);
      continue;
    }
    try {
      spec::Node tokens = read_vocabulary_file(resolve_path(base_dir, value.as_string()));
      tokens.set_place(value.place());
      value = std::move(tokens);
    } catch (Error& e) {
      e.add_context(to_string(value.place()) + ": vocabulary");
      throw;
    }
  }
}

EncoderPtr parse_text_step(const spec::Node& step, const std::string& path, spec::Problems& problems) {
  static const spec::Node kEmpty = spec::Node::map({});
  const std::optional<spec::NamedConfig> named = spec::read_named(step, path, problems);
  if (!named) return nullptr;
  spec::Reader reader(named->config ? *named->config : kEmpty, path + "." + named->name, problems);
  EncoderPtr encoder = make_text_encoder(named->name, reader);
  reader.finish();
  return encoder;
}

// A field of texts with its step.
struct TextField {
  size_t field = 0;
  std::string name, place;  // place: of messages
  EncoderPtr encoder;
  std::shared_ptr<const TextStore> store;
  size_t count = 0;  // texts of a sample

  std::vector<std::string> read(const std::vector<int32_t>& numbers) const {
    std::vector<std::string> texts;
    for (const int32_t n : numbers) texts.push_back(store->read(n));
    return texts;
  }
};

// f(name, its step, path) for each field with a text step.
template <class F>
void each_text_step(const spec::Node& steps, F&& f) {
  spec::Problems problems;
  each_step_list(steps, "data.preprocess", problems,
                 [&](const std::string& name, const std::string& path, const std::vector<spec::Node>& list) {
                   if (!list.empty() && is_text_step(list[0])) f(name, list[0], path + "[0]");
                 });
  problems.throw_if_any();
}

std::vector<TextField> find_text_fields(const std::vector<Field>& fields, const spec::Node& steps, bool inputs_only) {
  std::vector<TextField> found;
  each_text_step(steps, [&](const std::string& name, const spec::Node& step, const std::string& path) {
    const Field* field = find_field(fields, name);
    if (!field && inputs_only) return;
    TextField text;
    text.place = fmt::format("{}: {}", to_string(step.place()), path);
    if (!field) {
      std::vector<std::string_view> known;
      for (const Field& f : fields) known.push_back(f.name);
      throw UserError(fmt::format("{}: no field '{}'{}", text.place, name, spec::suggestion(name, known)));
    }
    if (!field->texts)
      throw UserError(fmt::format("{}: field '{}' is {} {} and no text, which inputs of csv, jsonl, tfrecord and text data are", text.place,
                                  name, name_of(field->dtype), to_string(std::span<const int64_t>(field->dims))));
    spec::Problems problems;
    text.encoder = parse_text_step(step, path, problems);
    problems.throw_if_any();
    text.field = static_cast<size_t>(field - fields.data());
    text.name = name;
    text.store = field->texts;
    text.count = static_cast<size_t>(field->row_elements());
    found.push_back(std::move(text));
  });
  return found;
}

class TextDataset : public Dataset {
 public:
  TextDataset(DatasetPtr base, std::vector<TextField> texts) : base_(std::move(base)), texts_(std::move(texts)), fields_(base_->fields()) {
    for (const TextField& text : texts_) {
      Field& field = fields_[text.field];
      field.dims = text.encoder->output(field.dims);
      field.dtype = text.encoder->dtype();
      field.texts = nullptr;
    }
  }
  int64_t size() const override { return base_->size(); }
  const std::vector<Field>& fields() const override { return fields_; }
  int32_t label(int64_t index, size_t field) const override { return base_->label(index, field); }

 protected:
  bool read(int64_t index, std::span<std::byte* const> rows, const Draw* draw) const override {
    std::vector<std::vector<int32_t>> numbers;
    std::vector<std::byte*> targets(rows.begin(), rows.end());
    for (const TextField& text : texts_) {
      numbers.emplace_back(text.count);
      targets[text.field] = reinterpret_cast<std::byte*>(numbers.back().data());
    }
    if (!base_->get(index, targets, draw)) return false;
    for (size_t t = 0; t < texts_.size(); ++t) {
      try {
        texts_[t].encoder->encode(texts_[t].read(numbers[t]), rows[texts_[t].field]);
      } catch (UserError& e) {
        e.add_context(fmt::format("{}: field '{}'", texts_[t].place, texts_[t].name));
        throw;
      }
    }
    return true;
  }

 private:
  DatasetPtr base_;
  std::vector<TextField> texts_;
  std::vector<Field> fields_;
};

void learn_all(const Dataset& training, std::vector<TextField>& texts) {
  std::vector<std::vector<double>> buffers;  // double: aligned for every dtype
  std::vector<std::byte*> rows;
  for (const Field& any : training.fields()) buffers.emplace_back(any.row_bytes() / sizeof(double) + 1);
  for (std::vector<double>& buffer : buffers) rows.push_back(reinterpret_cast<std::byte*>(buffer.data()));
  for (int64_t i = 0; i < training.size(); ++i) {
    if (!training.get(i, rows)) continue;
    for (TextField& text : texts) {
      const auto* numbers = reinterpret_cast<const int32_t*>(rows[text.field]);
      text.encoder->learn(text.read(std::vector<int32_t>(numbers, numbers + text.count)));
    }
  }
}

void set_keys(spec::Node& step, const spec::Node& keys) {
  spec::Problems problems;
  const std::optional<spec::NamedConfig> named = spec::read_named(step, "", problems);
  spec::Node config = named->config && named->config->is_map() ? *named->config : spec::Node::map({});
  for (const auto& [key, value] : keys.entries()) config.set(key, value);
  const spec::Place place = step.place();
  step = spec::Node::map({{named->name, std::move(config)}});
  step.set_place(place);
}

}  // namespace

bool is_text_step(const spec::Node& step) {
  spec::Problems problems;
  const std::optional<spec::NamedConfig> named = spec::read_named(step, "", problems);
  return named && is_text_encoder(named->name);
}

void read_vocabulary_files(spec::Node& data, const std::string& base_dir) {
  if (spec::Node* steps = data.find("preprocess")) read_vocabularies_below(*steps, base_dir);
  for (const std::string_view part : {"train", "validation", "test"})
    if (spec::Node* source = data.find(part); source && source->is_map())
      if (spec::Node* text = source->find("text")) read_vocabularies_below(*text, base_dir);
}

std::vector<std::string> text_fields(const spec::Node& steps) {
  std::vector<std::string> names;
  each_text_step(steps, [&](const std::string& name, const spec::Node&, const std::string&) { names.push_back(name); });
  return names;
}

void check_text_step(const std::vector<spec::Node>& list, const std::string& path, spec::Problems& problems) {
  for (size_t s = 0; s < list.size(); ++s) {
    const std::string at = fmt::format("{}[{}]", path, s);
    if (is_text_step(list[s])) parse_text_step(list[s], at, problems);
    if (s > 0) problems.add(list[s].place(), at, "a step of texts stands alone; put what follows into the model, as a layer");
  }
}

spec::Node learn_texts(const Dataset& training, const spec::Node& steps) {
  std::vector<TextField> texts = find_text_fields(training.fields(), steps, false);
  std::erase_if(texts, [](const TextField& text) { return !text.encoder->learns(); });
  if (texts.empty()) return steps;
  learn_all(training, texts);
  spec::Node result = steps;
  for (const TextField& text : texts) {
    spec::Node* list = result.is_list() ? &result : result.find(text.name);
    try {
      set_keys(list->items()[0], text.encoder->learned());
    } catch (UserError& e) {
      e.add_context(text.place);
      throw;
    }
  }
  return result;
}

DatasetPtr apply_text_steps(DatasetPtr base, const spec::Node& steps, bool inputs_only) {
  std::vector<TextField> texts = find_text_fields(base->fields(), steps, inputs_only);
  if (texts.empty()) return base;
  for (const TextField& text : texts) {
    if (text.encoder->learns()) throw UserError(fmt::format("{}: has learned nothing yet", text.place));
    try {
      text.encoder->output(base->fields()[text.field].dims);
    } catch (UserError& e) {
      e.add_context(text.place);
      throw;
    }
  }
  return std::make_shared<TextDataset>(std::move(base), std::move(texts));
}

}  // namespace dl
