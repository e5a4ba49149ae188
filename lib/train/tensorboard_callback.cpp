#include "train/callback.h"

namespace dl {

extern const CallbackDef callback_tensorboard;

namespace {

// Scalars are written in every run; this asks for more.
class TensorBoard : public Callback {
 public:
  TensorBoard(int64_t histograms, bool pictures) : Callback(&callback_tensorboard), histograms_(histograms), pictures_(pictures) {}
  int64_t histograms_every() const override { return histograms_; }
  bool writes_pictures() const override { return pictures_; }
  std::string to_json() const override { return "{}"; }
  void from_json(std::string_view) override {}

 private:
  int64_t histograms_;
  bool pictures_;
};

std::unique_ptr<Callback> make_tensorboard(const Config& config, spec::Reader& reader, const CallbackContext&) {
  const int64_t histograms = config.integer("histogram_freq");
  if (config.flag("write_images") && histograms == 0)
    reader.report("write_images", "pictures are written with the histograms; set histogram_freq too, such as 1");
  return std::make_unique<TensorBoard>(histograms, config.flag("write_images"));
}

}  // namespace

const CallbackDef callback_tensorboard = {
    "TensorBoard",
    "Every run writes scalars; with histogram_freq N a histogram of each weight too, after epochs 1, N + 1, 2 N + 1, ..., and with "
    "write_images a picture of it, in which 0 is black and 1 white.",
    {int_key("histogram_freq", spec::Node::integer(0), 0), unsupported_key("log_dir"), bool_key("write_images", false),
     ignored_key("write_graph", spec::Node::boolean(true)), ignored_key("update_freq", spec::Node::string("epoch")),
     unsupported_key("write_steps_per_second", spec::Node::boolean(false)), unsupported_key("profile_batch", spec::Node::integer(0)),
     unsupported_key("embeddings_freq", spec::Node::integer(0)), unsupported_key("embeddings_metadata")},
    make_tensorboard};

}  // namespace dl
