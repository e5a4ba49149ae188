#include "ops/window.h"

#include <algorithm>

#include "base/error.h"
#include "ops/samples.h"

namespace dl {
namespace {

constexpr const char* kVectors[] = {"strides", "dilations", "pads_begin", "pads_end"};

}  // namespace

std::vector<AttrSpec> window_attrs(std::vector<AttrSpec> more) {
  std::vector<AttrSpec> attrs;
  for (const char* name : kVectors) attrs.push_back({name, Ints{}, true});
  attrs.push_back({"channels_first", int64_t{0}});
  attrs.insert(attrs.end(), more.begin(), more.end());
  return attrs;
}

Attrs window_values(const Window& window, size_t spatial, const char* what) {
  Attrs attrs{{"channels_first", int64_t{window.channels_first}}};
  const Ints* given[] = {&window.strides, &window.dilations, &window.pads_begin, &window.pads_end};
  for (size_t k = 0; k < 4; ++k) {
    Ints values = *given[k];
    if (values.empty()) values.assign(spatial, k < 2 ? 1 : 0);
    if (values.size() != spatial)
      throw UserError(std::string(what) + ": " + kVectors[k] + " needs " + std::to_string(spatial) +
                      " entries, one per spatial axis, not " + std::to_string(values.size()));
    attrs.set(kVectors[k], std::move(values));
  }
  return attrs;
}

Dim count_windows(const InferCall& call, Dim in, Dim size, size_t i, const char* noun) {
  const int64_t stride = call.attrs.integers("strides")[i], dilation = call.attrs.integers("dilations")[i];
  const Dim padded = in + Dim(call.attrs.integers("pads_begin")[i] + call.attrs.integers("pads_end")[i]);
  const Dim reach = (size - Dim(1)) * Dim(dilation) + Dim(1);
  if (size.known() && size.value() < 1)
    infer_error(call, std::string(noun) + " has size " + to_string(size) + " on spatial axis " + std::to_string(i));
  const Dim slack = padded - reach;
  if (slack.known() && slack.value() < 0)
    infer_error(call, std::string(noun) + " " + to_string(size) + (dilation > 1 ? " with dilation " + std::to_string(dilation) : "") +
                          " exceeds padded input " + to_string(padded) + " on spatial axis " + std::to_string(i));
  return floor_div(slack, stride) + Dim(1);
}

void check_window(const InferCall& call, size_t spatial) {
  if (spatial < 1 || spatial > 3) infer_error(call, "1 to 3 spatial axes are supported");
  for (size_t k = 0; k < 4; ++k) {
    const Ints& values = call.attrs.integers(kVectors[k]);
    if (values.size() != spatial) infer_error(call, std::string(kVectors[k]) + " needs " + std::to_string(spatial) + " entries");
    const int64_t lowest = k < 2 ? 1 : 0;
    if (std::any_of(values.begin(), values.end(), [&](int64_t v) { return v < lowest; }))
      infer_error(call, std::string(kVectors[k]) + " must be " + (k < 2 ? "positive" : "0 or more"));
  }
}

}  // namespace dl
