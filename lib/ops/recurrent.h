// What lstm.cpp and gru.cpp share: activations with their derivatives, operand lists with optional members, time steps.
// Steps are counted in the order walked: step s reads x[:, s], or x[:, steps - 1 - s] when reversed.
#pragma once

#include <string>
#include <vector>

#include "graph/op_def.h"
#include "graph/var.h"

namespace dl::recurrent {

// A gate keeps one value per element for the backward pass, its reserve: the activation's result, or its argument where the
// derivative is no function of the result.
struct Activation {
  const char* name;
  Var (*value)(Var z);
  Var (*backward)(Var reserve, Var dy);  // dy times the derivative
  bool reserves_argument = false;

  Var reserve(Var z) const { return reserves_argument ? z : value(z); }
  Var value_of_reserve(Var r) const { return reserves_argument ? value(r) : r; }
  // The gradient of z: of the value and, where valid, of the reserve itself.
  Var backward_both(Var r, Var dvalue, Var dreserve) const;
};
// UserError listing the names there are.
const Activation& find_activation(const std::string& op, const std::string& name);

Var sum_of(Var a, Var b);  // either may be invalid

// The time steps of one lowering.
class Steps {
 public:
  // `steps` must be known: a lowering writes out every step.
  Steps(const char* op, Dim steps, bool reversed, Var mask);

  int64_t count() const { return count_; }
  Var input_at(Var x, int64_t step) const;                 // [b, n] of [b, t, n], in the order walked
  static Var at(Var walked, int64_t step);                 // [b, n] of a tensor that is in the order walked
  Var mask_at(int64_t step) const;                         // bool [b, 1], or invalid without mask
  Var keep(int64_t step, Var taken, Var otherwise) const;  // select by the step's mask
  // The state before `step`: the previous output, or h0 where no step was taken yet (masked outputs start with zeros).
  Var state_before(Var sequence, Var h0, int64_t step) const;
  // Values per step, stacked to [b, t, n]; `type` is used when there are no steps.
  static Var stack(const std::vector<Var>& values, Graph& graph, const TensorType& type);

 private:
  int64_t count_;
  bool reversed_;
  Var mask_;
};

Var columns(Var v, int64_t block, Dim width);  // v[..., block * width : (block + 1) * width]
Var product_over_time(Var a, Var b);           // [m, n] = sum over batch and time of a[.., m] b[.., n]

}  // namespace dl::recurrent
