// Call: one application of a layer while it is lowered to TF.js layers: its config and weights, and the pieces that lowerings are put
// together from. A piece gives the same numbers as what it stands for.
// Who uses it: lower_*.cpp. What cannot be lowered throws UserError with the reason, which the caller puts behind the layer's name.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/tfjs/emitter.h"
#include "layers/layer.h"

namespace dl::tfjs {

using Pairs = std::vector<std::pair<int64_t, int64_t>>;  // begin and end of each spatial axis

// The weights of a layer in the program: how they are called there, and below which object.
struct WeightPlace {
  std::string parameter, object;
};

class Call {
 public:
  Call(Emitter& into, const Layer& lowered, std::vector<WeightPlace> weights, const std::map<std::string, Tensor>& values)
      : emitter(into), layer(lowered), weights_(std::move(weights)), values_(values) {}
  // The call of a layer inside: with the weights below `object`.
  Call inner(const Layer& child, const std::string& object) const;

  Emitter& emitter;
  const Layer& layer;
  const Config& config() const { return layer.config; }

  // ---- weights
  bool has_weight(std::string_view leaf) const;
  const Tensor& weight(std::string_view leaf) const;  // of this layer, or of the only one inside that has it
  OutWeight as_is(std::string_view leaf, std::string_view written = {}) const;
  static OutWeight fixed(std::string leaf, Tensor value);

  // ---- layers
  Ref add(std::string_view piece, std::string_view class_name, spec::Node config, std::vector<OutWeight> weights, const Ref& x,
          const Shape& shape) const;
  Ref add(std::string_view piece, std::string_view class_name, spec::Node config, std::vector<OutWeight> weights,
          const std::vector<Ref>& inputs, const Shape& shape) const;
  // The keys that the written layer shares with this one, initializers and regularizers as TF.js knows them.
  spec::Node keys(std::initializer_list<std::string_view> names) const;

  // ---- pieces
  Ref to_float(const Ref& x) const;
  Ref reshape(const Ref& x, const Shape& shape) const;                // shape with the batch
  Ref permute(const Ref& x, const std::vector<int64_t>& axes) const;  // of all axes; axes[0] == 0
  Ref move_axis(const Ref& x, int64_t from, int64_t to) const;
  Ref channels_last(const Ref& x) const;
  Ref channels_first(const Ref& x) const;
  Ref scale(const Ref& x, double factor, double offset = 0) const;
  Ref sum(const std::vector<Ref>& xs) const;
  Ref product(const std::vector<Ref>& xs) const;
  Ref concat(const std::vector<Ref>& xs, int64_t axis) const;
  Ref relu(const Ref& x, double max_value = -1) const;
  // Any activation; a name of "linear" gives x.
  Ref activate(const Ref& x, const std::string& name) const;
  // Borders of the spatial axes of a channels-last x.
  Ref pad(const Ref& x, const Pairs& pairs) const;
  Ref crop(const Ref& x, const Pairs& pairs) const;
  Ref repeat(const Ref& x, const std::vector<int64_t>& factors) const;
  // The last axis times `matrix` [in, out]; `bias` may be empty. Not trained.
  Ref map_last(const Ref& x, const Tensor& matrix, const Tensor& bias = {}) const;
  Ref map_axis(const Ref& x, int64_t axis, const Tensor& matrix) const;
  Ref dense(std::string_view piece, const Ref& x, OutWeight kernel, std::vector<OutWeight> bias, int64_t units) const;
  // 1 for the steps that a mask hides, 0 for the others: [batch, steps, 1].
  Ref hidden_steps(const MaskSource& mask) const;
  Ref without_hidden(const Ref& sequence, const MaskSource& mask) const;
  // x * factor + offset along the last axis.
  Ref affine_last(const Ref& x, const Tensor& mean, const Tensor& factor, const Tensor& offset) const;

 private:
  const WeightPlace* find(std::string_view leaf) const;
  Ref borders(const Ref& x, const Pairs& pairs, bool cropping) const;
  Ref spatial(const Ref& x, const char* class_name, const char* key, const std::vector<std::vector<int64_t>>& values,
              const std::function<Dim(Dim, size_t)>& size) const;

  std::vector<WeightPlace> weights_;
  const std::map<std::string, Tensor>& values_;
};

// Activations by names that TF.js has for the same function; "" for others.
std::string native_activation(const std::string& name);
// As far as it looks along the last axis: softmax.
bool uses_last_axis(const std::string& activation);

int64_t known(Dim size, const char* what);  // UserError "needs to know ..."
spec::Node int_list(const std::vector<int64_t>& values);
Tensor identity_matrix(int64_t size);

// One call of a layer: its outputs.
using Lower = std::vector<Ref> (*)(const Call& call, const std::vector<Ref>& inputs, const std::vector<Shape>& outputs);
struct LowerRow {
  std::string_view class_name;
  Lower lower;
};
Lower find_lowering(std::string_view class_name);  // null: TF.js has nothing for it

}  // namespace dl::tfjs
