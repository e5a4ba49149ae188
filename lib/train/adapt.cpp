#include "train/adapt.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "layers/build.h"
#include "layers/learned.h"
#include "spec/yaml.h"
#include "train/feed.h"

namespace dl {
namespace {

struct Moments {
  std::vector<double> sum, square;
  int64_t count = 0;  // elements behind each entry
};

// Adds the elements of `values`, one entry per combination of the kept axes.
void gather(const Tensor& values, const std::vector<int64_t>& axes, Moments& moments) {
  int64_t entries = 1;
  for (int64_t axis : axes) entries *= values.dims()[static_cast<size_t>(axis)];
  moments.sum.resize(static_cast<size_t>(entries), 0);
  moments.square.resize(static_cast<size_t>(entries), 0);
  std::vector<int64_t> index(values.dims().size(), 0);
  for (int64_t i = 0; i < values.size(); ++i) {
    int64_t entry = 0;
    for (int64_t axis : axes) entry = entry * values.dims()[static_cast<size_t>(axis)] + index[static_cast<size_t>(axis)];
    const double v = values.at(i);
    moments.sum[static_cast<size_t>(entry)] += v;
    moments.square[static_cast<size_t>(entry)] += v * v;
    for (size_t axis = index.size(); axis-- > 0;) {
      if (++index[axis] < values.dims()[axis]) break;
      index[axis] = 0;
    }
  }
  moments.count += values.size() / std::max<int64_t>(entries, 1);
}

// Gives `take` the values of `part`, a model of one output, for all of the data, batch after batch.
void each_batch(const RunSpec& spec, const Model& part, const DatasetPtr& training, Backend& backend, const Program& program,
                const ParameterStore* parameters, const std::function<void(const Tensor&)>& take) {
  Session session(backend, {});
  for (const Parameter& p : program.parameters) session.parameters().set(p.name, parameters->get(p.name));
  const size_t id = session.add(program);
  const Feed feed(part, spec.training.precision, {}, training->fields());
  LoaderOptions options;
  options.batch_size = 256;
  options.epochs = 1;
  BatchLoader loader(feed.convert(training), options);
  while (const std::optional<Batch> batch = loader.next()) {
    std::vector<Tensor> inputs;
    feed.tensors(*batch, inputs);
    take(session.run(id, inputs).output(0));
  }
}

void adapt(const RunSpec& spec, const AdaptRequest& request, const DatasetPtr& training, Backend& backend, ParameterStore& parameters) {
  const Model part = model_up_to(spec.model, request.input);
  const Program program = build_inference_program(part, spec.training.precision);
  Moments moments;
  std::vector<int64_t> axes = request.axes;
  each_batch(spec, part, training, backend, program, &parameters, [&](const Tensor& values) {
    for (int64_t& axis : axes)
      if (axis < 0) axis += values.rank();
    gather(values, axes, moments);
  });
  Tensor mean(parameters.dtype(request.mean), parameters.dims(request.mean)),
      variance(parameters.dtype(request.variance), parameters.dims(request.variance));
  for (int64_t i = 0; i < mean.size(); ++i) {
    const double m = moments.sum[static_cast<size_t>(i)] / static_cast<double>(moments.count);
    mean.set(i, m);
    variance.set(i, std::max(0.0, moments.square[static_cast<size_t>(i)] / static_cast<double>(moments.count) - m * m));
  }
  parameters.set(request.mean, mean);
  parameters.set(request.variance, variance);
}

}  // namespace

void adapt_layers(const RunSpec& spec, const DatasetPtr& training, Backend& backend, ParameterStore& parameters) {
  for (const AdaptRequest& request : layers_to_adapt(spec.model)) adapt(spec, request, training, backend, parameters);
}

namespace {

Model model_of(const spec::Node& tree) {
  spec::Problems problems;
  Model model = parse_model(tree, "", problems);
  problems.throw_if_any();
  return model;
}

}  // namespace

spec::Node learn_layers(const RunSpec& spec, const DatasetPtr& training, Backend& backend) {
  spec::Node learned;
  RunSpec known = spec;
  while (std::optional<LearnRequest> request = next_to_learn(known.model)) {
    const Model part = model_up_to(known.model, request->input);
    const Program program = build_inference_program(part, spec.training.precision);
    if (!program.parameters.empty())
      throw UserError(fmt::format("layer '{}' learns from the training data but stands behind layers with weights; give it {}",
                                  request->layer, request->learner->keys()));
    each_batch(known, part, training, backend, program, nullptr, [&](const Tensor& values) { request->learner->add(values); });
    if (learned.is_null()) learned = spec::Node::map({});
    learned.set(request->layer, request->learner->finish());
    known.model = model_of(with_learned(spec.model_tree, spec.model, learned));
  }
  return learned;
}

void set_learned_layers(RunSpec& spec, const std::string& learned, const std::string& origin, bool in_tree) {
  const spec::Node layers = spec::parse_yaml(learned, origin);
  if (!layers.is_map()) throw FileError(origin + ": what its layers have learned is damaged; use an older checkpoint");
  spec::Node tree = with_learned(spec.model_tree, spec.model, layers);
  spec.model = model_of(tree);
  if (in_tree) spec.model_tree = std::move(tree);
}

}  // namespace dl
