#include "train/adapt.h"

#include <algorithm>

#include "layers/build.h"
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

void adapt(const RunSpec& spec, const AdaptRequest& request, const DatasetPtr& training, Backend& backend, ParameterStore& parameters) {
  const Model part = model_up_to(spec.model, request.input);
  const Program program = build_inference_program(part, spec.training.precision);
  Session session(backend, {});
  for (const Parameter& p : program.parameters) session.parameters().set(p.name, parameters.get(p.name));
  const size_t id = session.add(program);
  const Feed feed(part, spec.training.precision, {}, training->fields());
  LoaderOptions options;
  options.batch_size = 256;
  options.epochs = 1;
  BatchLoader loader(feed.convert(training), options);
  Moments moments;
  std::vector<int64_t> axes = request.axes;
  while (const std::optional<Batch> batch = loader.next()) {
    std::vector<Tensor> inputs;
    feed.tensors(*batch, inputs);
    const Tensor values = session.run(id, inputs).output(0);
    for (int64_t& axis : axes)
      if (axis < 0) axis += values.rank();
    gather(values, axes, moments);
  }
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

}  // namespace dl
