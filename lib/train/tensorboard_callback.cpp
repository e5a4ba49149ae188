#include "train/callback.h"

namespace dl {

extern const CallbackDef callback_tensorboard;

namespace {

// Scalars are written in every run; this asks for more.
class TensorBoard : public Callback {
 public:
  explicit TensorBoard(int64_t histograms) : Callback(&callback_tensorboard), histograms_(histograms) {}
  int64_t histograms_every() const override { return histograms_; }
  std::string to_json() const override { return "{}"; }
  void from_json(std::string_view) override {}

 private:
  int64_t histograms_;
};

std::unique_ptr<Callback> make_tensorboard(const Config& config, spec::Reader&, const CallbackContext&) {
  return std::make_unique<TensorBoard>(config.integer("histogram_freq"));
}

}  // namespace

const CallbackDef callback_tensorboard = {
    "TensorBoard",
    "Every run writes scalars; with histogram_freq N a histogram of each weight too, after epochs 1, N + 1, 2 N + 1, ...",
    {int_key("histogram_freq", spec::Node::integer(0), 0), unsupported_key("log_dir"),
     unsupported_key("write_images", spec::Node::boolean(false)), ignored_key("write_graph", spec::Node::boolean(true)),
     ignored_key("update_freq", spec::Node::string("epoch")), unsupported_key("write_steps_per_second", spec::Node::boolean(false)),
     unsupported_key("profile_batch", spec::Node::integer(0)), unsupported_key("embeddings_freq", spec::Node::integer(0)),
     unsupported_key("embeddings_metadata")},
    make_tensorboard};

}  // namespace dl
