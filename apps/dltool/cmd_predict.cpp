#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/log.h"
#include "commands.h"
#include "data/config.h"
#include "data/npy.h"
#include "data/record_writer.h"
#include "layers/build.h"
#include "layers/losses.h"
#include "plan/session.h"
#include "predictions.h"
#include "programs.h"
#include "train/feed.h"

namespace dl::app {
namespace {

constexpr int64_t kDefaultBatch = 128;

bool ends_with_any(std::string_view text, std::initializer_list<std::string_view> suffixes) {
  return std::any_of(suffixes.begin(), suffixes.end(), [&](std::string_view s) { return text.ends_with(s); });
}

// "" where the name tells nothing.
std::string format_of(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return "images";
  if (ends_with_any(path, {".csv", ".csv.gz", ".tsv", ".data"})) return "csv";
  if (path.ends_with(".npy")) return "npy";
  if (path.ends_with(".npz")) return "npz";
  if (ends_with_any(path, {".idx", ".idx.gz", "-ubyte", "-ubyte.gz"})) return "idx";
  return "";
}

std::string training_format(const spec::Node& train) {
  if (const spec::Node* format = train.find("format"); format && format->is_string()) return format->as_string();
  const spec::Node* path = train.find("path");
  return path && path->is_string() ? format_of(path->as_string()) : "";
}

std::vector<std::string> input_fields(const Preprocessing& learned) {
  std::vector<std::string> names;
  for (const Field& f : learned.fields)
    if (!f.target) names.push_back(f.name);
  return names;
}

// The training source with other data: the same columns, sizes and factors.
spec::Node make_source(const spec::Node& train, const PredictOptions& options, const Preprocessing& learned) {
  const std::string trained = training_format(train);
  std::string format = options.input_format.empty() && options.input != "-" ? format_of(options.input) : options.input_format;
  if (format.empty()) format = options.input == "-" ? "csv" : trained;
  const std::vector<std::string> fields = input_fields(learned);
  if (format == "npy" && fields.size() != 1)
    throw UserError(fmt::format("{}: an .npy file holds one array, the model was trained on the fields {}; give an .npz file",
                                options.input, fmt::join(fields, ", ")));
  if (format == trained && format != "npy") {
    spec::Node source = with_path(train, options.input);
    source.set("format", spec::Node::string(format));
    return source;
  }
  spec::Node source = spec::Node::map({{"format", spec::Node::string(format)}});
  std::vector<std::string_view> keys = {"rescale", "offset"};
  if (format == "images")
    keys.insert(keys.end(), {"size", "color", "corrupt"});
  else
    keys.push_back("shape");
  for (const std::string_view key : keys)
    if (const spec::Node* value = train.find(key)) source.set(key, *value);
  const spec::Node path = spec::Node::string(options.input);
  if (format == "npy") {
    source.set("x", spec::Node::map({{fields[0], path}}));
    return source;
  }
  source.set(format == "idx" ? "images" : "path", path);
  if (format == "npz") {
    spec::Node::Map arrays;
    for (const std::string& name : fields) arrays.emplace_back(name, spec::Node::string(name));
    source.set("x", spec::Node::map(std::move(arrays)));
  }
  return source;
}

DatasetPtr open_input(const LoadedModel& loaded, const PredictOptions& options) {
  if (!loaded.trained())
    throw UserError(fmt::format("{}: a {} is not trained; predict needs a checkpoint (or raw arrays with --inputs)", options.model,
                                name_of(loaded.kind)));
  spec::Problems problems;
  const spec::Node node = make_source(*loaded.run->resolved.find("data")->find("train"), options, loaded.preprocessing);
  const std::shared_ptr<const Source> source = parse_source(node, "input", "", problems);
  problems.throw_if_any();
  std::vector<std::string> notes;
  DatasetPtr dataset = open_part(*source, loaded.preprocessing, true, &notes);
  for (const std::string& note : notes) log_warning(note);
  return dataset;
}

std::string output_format(const PredictOptions& options) {
  if (!options.format.empty()) return options.format;
  const std::string_view format = record_format_of(options.output);
  if (!format.empty()) return std::string(format);
  if (options.output == "-" || options.output.starts_with("/dev/")) return "csv";
  throw UserError(fmt::format("{}: the suffix does not tell the format of the output; use .csv, .jsonl, .npy or .npz, or say --format",
                              options.output));
}

void predict_records(const LoadedModel& loaded, const Program& program, Session& session, const PredictOptions& options) {
  const std::string format = output_format(options);
  PredictionTable table(loaded, program, format == "npy" || format == "npz");
  const DatasetPtr dataset = open_input(loaded, options);
  const Feed feed(loaded.model, loaded.precision(), {}, dataset->fields());
  LoaderOptions loading;
  loading.batch_size = options.batch_size.value_or(loaded.run->training.batch_size);
  loading.workers = loaded.run->data.workers;
  loading.epochs = 1;
  BatchLoader loader(feed.convert(dataset), loading);
  const std::unique_ptr<RecordWriter> writer = make_record_writer(options.output, format, table.columns());
  const size_t id = session.add(program);
  while (const std::optional<Batch> batch = loader.next()) {
    if (batch->count == 0) continue;
    std::vector<Tensor> inputs;
    feed.tensors(*batch, inputs);
    const Executable& run = session.run(id, inputs);
    std::vector<Tensor> outputs;
    for (size_t o = 0; o < program.outputs.size(); ++o) outputs.push_back(run.output(o));
    writer->append(table.rows(outputs));
  }
  writer->close();
  if (loader.skipped() > 0) log_warning(fmt::format("{} unreadable samples have no row", loader.skipped()));
}

// ---- raw arrays

std::vector<Tensor> read_inputs(const std::string& path, const Program& program) {
  const NamedTensors members = read_npz(path);
  std::vector<std::string> names, known;
  for (const auto& [name, tensor] : members) names.push_back(name);
  for (const NamedValue& in : program.inputs) known.push_back(in.name);
  const auto mismatch = [&](const std::string& what) {
    return UserError(
        fmt::format("{}: {}; it holds {}, the model's inputs are {}", path, what, fmt::join(names, ", "), fmt::join(known, ", ")));
  };
  for (const std::string& name : names)
    if (std::find(known.begin(), known.end(), name) == known.end()) throw mismatch(fmt::format("the model has no input '{}'", name));
  std::vector<Tensor> inputs;
  for (const NamedValue& in : program.inputs) {
    const auto found = std::find_if(members.begin(), members.end(), [&](const auto& m) { return m.first == in.name; });
    if (found == members.end()) throw mismatch(fmt::format("input '{}' is missing", in.name));
    const TensorType& type = program.graph.type(in.value);
    Bindings ignored;
    match_shape(in.name, type.shape, found->second.dims(), ignored);
    if (found->second.rank() == 0 || found->second.dims()[0] == 0)
      throw UserError(fmt::format("{}: input '{}' holds no samples", path, in.name));
    if (!inputs.empty() && inputs[0].dims()[0] != found->second.dims()[0])
      throw UserError(fmt::format("{}: input '{}' holds {} samples, '{}' holds {}", path, in.name, found->second.dims()[0],
                                  program.inputs[0].name, inputs[0].dims()[0]));
    inputs.push_back(found->second.cast(type.dtype));
  }
  return inputs;
}

Tensor join_rows(const std::vector<Tensor>& parts) {
  Dims dims = parts[0].dims();
  dims.at(0) = 0;
  for (const Tensor& p : parts) dims[0] += p.dims()[0];
  Tensor whole(parts[0].dtype(), dims);
  auto* to = static_cast<std::byte*>(whole.raw());
  for (const Tensor& p : parts) {
    std::memcpy(to, p.raw(), p.bytes());
    to += p.bytes();
  }
  return whole;
}

void predict_arrays(const Program& program, Session& session, const PredictOptions& options) {
  const std::vector<Tensor> inputs = read_inputs(options.inputs_npz, program);
  const int64_t samples = inputs.at(0).dims()[0], batch = options.batch_size.value_or(kDefaultBatch);
  const size_t id = session.add(program);
  std::vector<std::vector<Tensor>> parts(program.outputs.size());
  for (int64_t begin = 0; begin < samples; begin += batch) {
    std::vector<Tensor> slices;
    for (const Tensor& t : inputs) slices.push_back(t.rows(begin, std::min(samples, begin + batch)));
    const Executable& run = session.run(id, slices);
    for (size_t o = 0; o < parts.size(); ++o) parts[o].push_back(run.output(o));
  }
  NamedTensors outputs;
  for (size_t o = 0; o < parts.size(); ++o) outputs.emplace_back(program.outputs[o].name, join_rows(parts[o]));
  write_npz(options.outputs_npz, outputs);
}

}  // namespace

ExitCode run_predict(const PredictOptions& options) {
  const LoadedModel loaded = load_model(options.model);
  const Program program = build_inference_program(loaded.model, loaded.precision());
  const std::unique_ptr<Backend> backend = make_cpu_backend();
  Session session(*backend, compile_options(loaded));
  set_parameters(loaded, program, session.parameters());
  if (!options.inputs_npz.empty())
    predict_arrays(program, session, options);
  else
    predict_records(loaded, program, session, options);
  return ExitCode::kDone;
}

}  // namespace dl::app
