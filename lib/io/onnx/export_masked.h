// Masked recurrent layers. ONNX has no mask but a length of each sequence, so the steps that count come to the front, the node runs over
// their number, and each step of the mask reads the state that held there: exact for any mask and any number of steps.
// Who uses it: export_recurrent.cpp.
#pragma once

#include <string>

#include "io/onnx/export_emitter.h"

namespace dl::onnx_export {

struct KeptSteps {
  Value mask;           // bool [batch, time]
  std::string x;        // [batch, time, in], the kept steps first; "": as it is
  std::string lengths;  // int32 [batch], how many they are
  std::string kept;     // int64 [batch, time], 1 for a kept step
  std::string counts;   // int64 [batch, time], kept steps up to and with each; "": the kept ones come first already
};

// Are the kept steps of each row its first ones, as sequence lengths say it?
bool is_prefix_mask(const Emitter& e, Value mask);

KeptSteps keep_steps(Emitter& e, Value x, Value mask);
// The state at every step of the mask, from that at the kept steps, both of `type` [batch, time, units] in the order of the input.
// `initial` [batch, units] holds where no step has counted yet; "": zeros.
std::string spread_steps(Emitter& e, const KeptSteps& steps, const std::string& sequence, const TensorType& type, bool reversed,
                         const std::string& initial);
// The same with zeros at the steps that do not count.
std::string spread_with_zeros(Emitter& e, const KeptSteps& steps, const std::string& sequence, const TensorType& type);
// The last state [batch, units], where a sequence without any step keeps its initial one.
std::string last_state(Emitter& e, const KeptSteps& steps, const std::string& state, const std::string& initial);

// select(mask, sequence, 0) over [batch, time, units]: its sequence; nullopt for something else.
std::optional<Value> zeroed_by(const Emitter& e, Value v, Value mask);
// x[:, ::-1] of rank 2 or 3: x, or nullopt.
std::optional<Value> reversed_in_time(const Emitter& e, Value v);

}  // namespace dl::onnx_export
