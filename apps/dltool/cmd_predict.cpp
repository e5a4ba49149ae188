#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/log.h"
#include "commands.h"
#include "data/config.h"
#include "data/npy.h"
#include "data/paths.h"
#include "data/record_writer.h"
#include "layers/build.h"
#include "layers/graph_layer.h"
#include "layers/losses.h"
#include "plan/session.h"
#include "predictions.h"
#include "programs.h"
#include "train/evaluator.h"
#include "train/feed.h"
#include "train/load_with_inputs.h"

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
  if (path.ends_with(".npy")) return "npy";
  if (ends_with_any(path, {".idx", ".idx.gz", "-ubyte", "-ubyte.gz"})) return "idx";
  return std::string(format_of_suffix(path));
}

std::string training_format(const spec::Node& train) {
  if (const spec::Node* format = train.find("format"); format && format->is_string()) return format->as_string();
  const spec::Node* path = train.find("path");
  if (path && path->is_list() && !path->items().empty()) path = &path->items()[0];
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
  if (format == "images" && options.input_format.empty() && (trained == "text" || trained == "audio")) format = trained;  // folders too
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
  if (format == "npz" || format == "hdf5") {
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
  DatasetPtr dataset = open_part(*source, loaded.preprocessing, !options.anomalies, &notes);
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

// ---- anomalies

// From, to (of windows with times), error, anomaly.
void write_anomalies(const AnomalyReport& report, const PredictOptions& options) {
  const auto samples = static_cast<int64_t>(report.errors.size());
  std::vector<RecordColumn> columns;
  std::vector<Tensor> values;
  for (const bool end : {false, true}) {
    if (report.times.empty()) break;
    Tensor times(DType::kInt64, {samples});
    for (int64_t i = 0; i < samples; ++i) {
      const TimeRange& range = report.times[static_cast<size_t>(i)];
      times.data<int64_t>()[i] = end ? range.to : range.from;
    }
    columns.push_back({end ? "to" : "from", {}, {}, true});
    values.push_back(std::move(times));
  }
  Tensor errors(DType::kFloat64, {samples}), flags(DType::kInt32, {samples});
  for (int64_t i = 0; i < samples; ++i) {
    const double error = report.errors[static_cast<size_t>(i)];
    errors.set(i, error);
    flags.set(i, error > report.threshold ? 1 : 0);
  }
  columns.push_back({"error", {}, {}});
  columns.push_back({"anomaly", {}, {}});
  values.push_back(std::move(errors));
  values.push_back(std::move(flags));
  const std::unique_ptr<RecordWriter> writer = make_record_writer(options.output, output_format(options), std::move(columns));
  writer->append(values);
  writer->close();
}

void predict_anomalies(const LoadedModel& loaded, Session& session, const PredictOptions& options) {
  if (!loaded.run || !loaded.run->anomalies || !loaded.state.anomaly_threshold)
    throw UserError(
        fmt::format("{}: --anomalies needs a run with the key anomalies, which says what one is; see dltool-spec(5)", options.model));
  const TrainingSpec& training = loaded.run->training;
  const std::unique_ptr<Communicator> communicator = make_single_communicator();
  Evaluator evaluator(loaded.model, training.losses, {}, training.precision, session, *communicator);
  set_parameters(loaded, evaluator.program().program, session.parameters());
  const DatasetPtr dataset = open_input(loaded, options);
  EvaluationDetails details;
  details.want_errors = loaded.run->anomalies->error;
  evaluator.run(dataset, options.batch_size.value_or(training.batch_size), loaded.run->data.workers, {}, &details);
  write_anomalies(find_anomalies(*dataset, std::move(details.errors), *loaded.state.anomaly_threshold), options);
}

// ---- raw arrays

// The arrays for the model's inputs: by name where all names agree, else by position.
std::vector<Tensor> match_inputs(const std::string& path, const NamedTensors& members, const Program& program) {
  std::vector<std::string> names, known;
  for (const auto& [name, tensor] : members) names.push_back(name);
  for (const NamedValue& in : program.inputs) known.push_back(in.name);
  const auto mismatch = [&](const std::string& what) {
    return UserError(fmt::format("{}: {}; it holds {}, the model's inputs are {}", path, what,
                                 names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", ")), fmt::join(known, ", ")));
  };
  const bool none_agrees = std::none_of(
      names.begin(), names.end(), [&](const std::string& name) { return std::find(known.begin(), known.end(), name) != known.end(); });
  const bool by_position = none_agrees && names.size() == known.size();
  for (const std::string& name : names)
    if (!by_position && std::find(known.begin(), known.end(), name) == known.end())
      throw mismatch(fmt::format("the model has no input '{}'", name));
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < known.size(); ++i) {
    const auto found = by_position ? members.begin() + static_cast<std::ptrdiff_t>(i)
                                   : std::find_if(members.begin(), members.end(), [&](const auto& m) { return m.first == known[i]; });
    if (found == members.end()) throw mismatch(fmt::format("input '{}' is missing", known[i]));
    const TensorType& type = program.graph.type(program.inputs[i].value);
    Bindings ignored;
    match_shape(known[i], type.shape, found->second.dims(), ignored);
    inputs.push_back(found->second.cast(type.dtype));
  }
  return inputs;
}

void check_samples(const std::string& path, const std::vector<Tensor>& inputs, const Program& program) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string& name = program.inputs[i].name;
    if (inputs[i].rank() == 0 || inputs[i].dims()[0] == 0) throw UserError(fmt::format("{}: input '{}' holds no samples", path, name));
    if (inputs[0].dims()[0] != inputs[i].dims()[0])
      throw UserError(fmt::format("{}: input '{}' holds {} samples, '{}' holds {}", path, name, inputs[i].dims()[0], program.inputs[0].name,
                                  inputs[0].dims()[0]));
  }
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

// A graph of another framework need not have an axis of samples: it is run as a whole.
std::vector<Tensor> run_whole(const Program& program, Session& session, const std::vector<Tensor>& inputs) {
  const Executable& run = session.run(session.add(program), inputs);
  std::vector<Tensor> outputs;
  for (size_t o = 0; o < program.outputs.size(); ++o) outputs.push_back(run.output(o));
  return outputs;
}

std::vector<Tensor> run_in_batches(const Program& program, Session& session, const std::vector<Tensor>& inputs, int64_t batch) {
  const int64_t samples = inputs.at(0).dims()[0];
  const size_t id = session.add(program);
  std::vector<std::vector<Tensor>> parts(program.outputs.size());
  for (int64_t begin = 0; begin < samples; begin += batch) {
    std::vector<Tensor> slices;
    for (const Tensor& t : inputs) slices.push_back(t.rows(begin, std::min(samples, begin + batch)));
    const Executable& run = session.run(id, slices);
    for (size_t o = 0; o < parts.size(); ++o) parts[o].push_back(run.output(o));
  }
  std::vector<Tensor> outputs;
  for (const std::vector<Tensor>& list : parts) outputs.push_back(join_rows(list));
  return outputs;
}

int64_t batch_size(const LoadedModel& loaded, const PredictOptions& options) {
  const Dim fixed =
      loaded.model.inputs.empty() || loaded.model.inputs[0].shape.empty() ? Dim(kDefaultBatch) : loaded.model.inputs[0].shape[0];
  return options.batch_size.value_or(fixed.known() ? fixed.value() : kDefaultBatch);
}

// Then nothing that weights are turned into has to be kept.
bool is_one_run(const LoadedModel& loaded, const NamedTensors& arrays, const PredictOptions& options) {
  if (options.inputs_npz.empty()) return false;
  return graph_of(loaded.model) || arrays.empty() || arrays[0].second.rank() == 0 ||
         arrays[0].second.dims()[0] <= batch_size(loaded, options);
}

void predict_arrays(const LoadedModel& loaded, const NamedTensors& members, const Program& program, Session& session,
                    const PredictOptions& options) {
  const std::vector<Tensor> inputs = match_inputs(options.inputs_npz, members, program);
  std::vector<Tensor> outputs;
  if (graph_of(loaded.model)) {
    outputs = run_whole(program, session, inputs);
  } else {
    check_samples(options.inputs_npz, inputs, program);
    outputs = run_in_batches(program, session, inputs, batch_size(loaded, options));
  }
  NamedTensors named;
  for (size_t o = 0; o < outputs.size(); ++o) named.emplace_back(program.outputs[o].name, outputs[o]);
  write_npz(options.outputs_npz, named);
}

}  // namespace

ExitCode run_predict(const PredictOptions& options) {
  NamedTensors arrays;
  if (!options.inputs_npz.empty()) arrays = read_npz(options.inputs_npz);
  const LoadedModel loaded = load_with_inputs(options.model, arrays);
  const std::unique_ptr<Backend> backend = make_cpu_backend();
  CompileOptions compiling = compile_options(loaded);
  compiling.run_once = is_one_run(loaded, arrays, options);
  Session session(*backend, compiling);
  if (options.anomalies) {
    predict_anomalies(loaded, session, options);
    return ExitCode::kDone;
  }
  const Program program = build_inference_program(loaded.model, loaded.precision());
  set_parameters(loaded, program, session.parameters());
  if (!options.inputs_npz.empty())
    predict_arrays(loaded, arrays, program, session, options);
  else
    predict_records(loaded, program, session, options);
  return ExitCode::kDone;
}

}  // namespace dl::app
