#include "predictions.h"

#include <fmt/format.h>

#include "layers/losses.h"

namespace dl::app {
namespace {

// The training data's field that this output predicts; null when there is none.
const Field* target_field(const LoadedModel& loaded, const std::string& output) {
  const Field* only = nullptr;
  size_t count = 0;
  for (const Field& f : loaded.preprocessing.fields) {
    if (!f.target) continue;
    if (f.name == output) return &f;
    only = &f;
    ++count;
  }
  return count == 1 && loaded.model.outputs.size() == 1 ? only : nullptr;
}

bool ends_in(const Program& program, Value output, const char* op) {
  // find_logits reads the graph only; Var wants a pointer that could write.
  return find_logits({const_cast<Graph*>(&program.graph), output}, op).valid();
}

Tensor to_float(const Tensor& values) { return values.dtype() == DType::kFloat64 ? values : values.cast(DType::kFloat32); }

}  // namespace

PredictionTable::Output PredictionTable::classify(const LoadedModel& loaded, const Program& program, size_t o, bool raw) const {
  Output output;
  const Value value = program.outputs[o].value;
  const Shape& shape = program.graph.type(value).shape;
  const Field* target = target_field(loaded, loaded.model.outputs[o].name);
  if (target) output.scaling = loaded.preprocessing.find(target->name);
  const int64_t width = shape.size() == 2 && shape[1].known() ? shape[1].value() : 0;
  if (target && !target->classes.empty() && !raw) {
    const auto classes = static_cast<int64_t>(target->classes.size());
    if (classes > 1 && width == classes) output.kind = Kind::kClasses;
    if (classes == 2 && width == 1) output.kind = Kind::kBinary;
    if (output.kind != Kind::kValues) output.labels = target->classes;
  }
  output.probabilities = ends_in(program, value, output.kind == Kind::kBinary ? "sigmoid" : "softmax");
  output.scalar = width == 1 && !raw;
  return output;
}

void PredictionTable::add_columns(const Output& output, const std::string& name, const std::string& prefix, Dims dims) {
  if (output.kind == Kind::kValues) {
    columns_.push_back({name, output.scalar ? Dims{} : std::move(dims), {}});
    return;
  }
  const std::string word = prefix + (output.probabilities ? "probability" : "score");
  columns_.push_back({prefix + "class", {}, output.labels});
  columns_.push_back({word, {}, {}});
  if (output.kind == Kind::kBinary && !output.probabilities) return;
  for (const std::string& label : output.labels) columns_.push_back({word + "_" + label, {}, {}});
}

PredictionTable::PredictionTable(const LoadedModel& loaded, const Program& program, bool raw) {
  const bool several = program.outputs.size() > 1;
  for (size_t o = 0; o < program.outputs.size(); ++o) {
    const std::string& output_name = loaded.model.outputs[o].name;
    outputs_.push_back(classify(loaded, program, o, raw));
    const Shape& shape = program.graph.type(program.outputs[o].value).shape;
    const Shape sample(shape.begin() + 1, shape.end());
    if (!all_known(sample))
      throw UserError(
          fmt::format("output '{}' has shape {}, which depends on the sample; use --inputs and --outputs", output_name, to_string(shape)));
    const Field* target = target_field(loaded, output_name);
    add_columns(outputs_.back(), target && !raw ? target->name : output_name, several ? output_name + "_" : "", known_dims(sample));
  }
}

void PredictionTable::add_class_rows(const Output& output, const Tensor& values, std::vector<Tensor>& rows) {
  const int64_t samples = values.dims()[0], classes = static_cast<int64_t>(output.labels.size());
  const bool binary = output.kind == Kind::kBinary;
  Tensor chosen(DType::kInt32, {samples}), best(values.dtype(), {samples});
  std::vector<Tensor> each;
  for (int64_t c = 0; c < classes; ++c) each.emplace_back(values.dtype(), Dims{samples});
  for (int64_t i = 0; i < samples; ++i) {
    int64_t top = 0;
    if (binary) {
      const double v = values.at(i);
      top = v > (output.probabilities ? 0.5 : 0.0) ? 1 : 0;
      each[0].set(i, 1 - v);
      each[1].set(i, v);
      best.set(i, output.probabilities ? each[static_cast<size_t>(top)].at(i) : v);
    } else {
      for (int64_t c = 0; c < classes; ++c) {
        const double v = values.at(i * classes + c);
        each[static_cast<size_t>(c)].set(i, v);
        if (v > values.at(i * classes + top)) top = c;
      }
      best.set(i, values.at(i * classes + top));
    }
    chosen.set(i, static_cast<double>(top));
  }
  rows.push_back(std::move(chosen));
  rows.push_back(std::move(best));
  if (binary && !output.probabilities) return;
  for (Tensor& t : each) rows.push_back(std::move(t));
}

std::vector<Tensor> PredictionTable::rows(const std::vector<Tensor>& outputs) const {
  std::vector<Tensor> rows;
  for (size_t o = 0; o < outputs.size(); ++o) {
    const Output& output = outputs_[o];
    Tensor values = to_float(outputs[o]);
    if (output.kind != Kind::kValues) {
      add_class_rows(output, values, rows);
      continue;
    }
    if (output.scaling) values = undo_scaling(values, *output.scaling);
    rows.push_back(output.scalar ? values.reshaped({values.dims()[0]}) : values);
  }
  return rows;
}

}  // namespace dl::app
