#include <utility>

#include "train/callback.h"

namespace dl {

extern const CallbackDef callback_swap_ema_weights;

namespace {

// The averages and the weights change places; the trainer does it, this says when. `swapped_`: the averages are in the model now.
class SwapEMAWeights : public Callback {
 public:
  explicit SwapEMAWeights(bool on_epoch) : Callback(&callback_swap_ema_weights), on_epoch_(on_epoch) {}

  CallbackDecision on_epoch_begin(int64_t, double) override { return on_epoch_ ? swap_to(false) : CallbackDecision(); }
  CallbackDecision on_epoch_end(int64_t, const Logs&, double) override { return on_epoch_ ? swap_to(true) : CallbackDecision(); }
  CallbackDecision on_validation_begin() override { return swap_to(true); }
  CallbackDecision on_validation_end() override { return swap_to(false); }

  bool averages_in_model() const override { return swapped_; }
  std::string to_json() const override { return swapped_ ? R"({"swapped":true})" : R"({"swapped":false})"; }
  void from_json(std::string_view text) override { swapped_ = text.find("true") != std::string_view::npos; }

 private:
  CallbackDecision swap_to(bool swapped) {
    CallbackDecision decision;
    decision.swap_averages = std::exchange(swapped_, swapped) != swapped;
    return decision;
  }

  bool on_epoch_, swapped_ = false;
};

std::unique_ptr<Callback> make_swap_ema_weights(const Config& config, spec::Reader& reader, const CallbackContext& context) {
  if (!context.moving_averages) {
    reader.report("", "needs moving averages of the weights: set use_ema: true in the optimizer");
    return nullptr;
  }
  return std::make_unique<SwapEMAWeights>(config.flag("swap_on_epoch"));
}

}  // namespace

const CallbackDef callback_swap_ema_weights = {
    "SwapEMAWeights",
    "With an optimizer that has use_ema, validates with the moving averages of the weights; with swap_on_epoch the checkpoints of an "
    "epoch's end have them as the weights, too.",
    {bool_key("swap_on_epoch", false)},
    make_swap_ema_weights};

}  // namespace dl
