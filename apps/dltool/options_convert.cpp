#include <memory>

#include "command.h"
#include "convert_job.h"

namespace dl::app {
namespace {

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    if (parts.back().empty()) throw UserError("'" + text + "' has an empty name; write names apart by commas");
    begin = end + 1;
  }
  return parts;
}

double parse_tolerance(const std::string& text) {
  const double value = parse_number(text);
  if (value < 0) throw UserError("'" + text + "' is negative; a tolerance is 0 or more");
  return value;
}

void conversion_options(Command& command, ConvertOptions* o) {
  command
      .option(
          "--to", "FORMAT", [o](const std::string& text) { o->to.push_back(text); },
          "format to write; may be repeated (default: by the suffix of DST)")
      .with_choices(writable_formats())
      .repeated = true;
  command.option("--from", "FORMAT", o->from, "format of the source (default: as recognised)").with_choices(readable_formats());
  command.option("--out-dir", "DIR", o->out_dir, "folder of the results of --to (default: beside the source)").with_directories();
  command.option(
      "--opset", "N", 13, 21, [o](int64_t n) { o->opset = n; }, "ONNX operator set to write (default: 17, or that of a newer ONNX file)");
  command.option(
      "--keras-version", "N", 2, 3, [o](int64_t n) { o->keras_version = n; }, "whose .h5 to write, 2 or 3 (default: 3)");
  command.option(
      "--dynamic", "NAMES", [o](const std::string& text) { o->dynamic = split_list(text); },
      "names of the leading axes of every input that stay open, as in batch,seq (default: as in the source)");
  command
      .option(
          "--input-shape", "[NAME:]SIZES",
          [o](const std::string& text) {
            const size_t colon = text.rfind(':');
            o->input_shapes.emplace_back(colon == std::string::npos ? "" : text.substr(0, colon),
                                         colon == std::string::npos ? text : text.substr(colon + 1));
          },
          "sizes of an input with its batch, as in image:1x224x224x3; a name in place of a number stays open")
      .repeated = true;
  command.option("--layout", "LAYOUT", o->layout, "order of image axes in ONNX: keep, nchw or nhwc (default: keep)")
      .with_choices({"keep", "nchw", "nhwc"});
  command.flag("--half", o->half, "weights as float16 where the format can");
  command.flag("--external-data", o->external_data, "ONNX: weights in a file of their own beside the model");
  command.flag("--fold-preprocessing", o->fold_preprocessing,
               "what the run did to its data (rescale, standardize, normalize) becomes layers of the model, and is undone behind it");
  command.flag("--strip-preprocessing", o->strip_preprocessing, "leave out the Rescaling and Normalization layers at the inputs");
  command.flag("--no-optimizer", o->no_optimizer, "leave the state of the optimizer out");
  command.option(
      "--verify", "N", 1, 10000, [o](int64_t n) { o->samples = n; }, "random samples to prove each result with (default: 3)");
  command.flag("--no-verify", o->no_verify, "do not prove the result");
  command.option(
      "--atol", "X", [o](const std::string& text) { o->atol = parse_tolerance(text); },
      "absolute tolerance of the proof (default: 1e-5; with --half 1e-2)");
  command.option(
      "--rtol", "X", [o](const std::string& text) { o->rtol = parse_tolerance(text); },
      "relative tolerance of the proof (default: 1e-4; with --half 1e-2)");
  command.flag("--force", o->force, "replace a result that exists");
  command.flag("--if-newer", o->if_newer, "convert only where the source is newer than the result, and replace that");
  command.option("--lock", "FILE", o->lock, "do nothing and exit 75 when another process holds this lock").with_files();
  command.option("--manifest", "FILE", o->manifest, "append the JSON line of every conversion to this file").with_files();
  command.common_options(o->common);
}

const char* const kProof =
    "Every result is read back before it appears under its name, and random samples are run through the source and through it. Where an "
    "element differs by more than the tolerance, the command says so, exits 1 and leaves what was there before. A small sample with its "
    "outputs is stored in the file where the format has room; dltool inspect --selftest checks it on any machine.";

}  // namespace

Command convert_command() {
  auto options = std::make_shared<ConvertOptions>();
  Command command;
  command.name = "convert";
  command.summary = "write a model in another format";
  command.description = {
      "Reads the model SRC and writes it as DST, in the format that the suffix of DST tells, or in every format of --to, beside the source "
      "or in --out-dir under its name. What the format cannot hold is an error that lists all of it; nothing is approximated.",
      "SRC may be a URL (http, https), which is fetched first; its results go to the current folder. With --if-newer only what the server "
      "has "
      "anew is converted: its ETag or Last-Modified is kept beside each result as .NAME.source.",
      kProof,
      "With --glob the files of a pattern (** stands for any folders) are converted to --out-dir, --jobs of them at a time. One JSON line "
      "per file (--json, --manifest) says what was written, with its SHA-256, and how far its numbers are from the source's. The exit code "
      "is that of the worst file.",
  };
  command.examples = {
      {"By the suffix", "dltool convert model.keras model.onnx"},
      {"Several formats", "dltool convert model.keras --to onnx --to h5"},
      {"From a server, when it changed", "dltool convert https://example.org/model.keras model.onnx --if-newer"},
      {"From cron", "dltool convert --glob 'models/**/*.h5' --to onnx --out-dir onnx --if-newer --lock onnx/.lock --json"},
  };
  Option& paths = command.positional_list("SRC [DST]", options->paths, "the model to read; the file to write");
  paths.with_files();
  command.option("--glob", "PATTERN", options->glob, "convert all files of this pattern");
  command.option(
      "--jobs", "N", 1, 256, [o = options](int64_t n) { o->jobs = n; }, "conversions at the same time with --glob (default: 1)");
  conversion_options(command, options.get());
  command.run = [options] {
    const ConvertOptions& o = *options;
    if (o.glob.empty() && o.paths.empty()) throw UserError("give SRC and DST, or --glob; see dltool convert --help");
    if (!o.glob.empty() && !o.paths.empty()) throw UserError("give either SRC or --glob");
    if (!o.glob.empty() && o.to.empty()) throw UserError("--glob needs --to FORMAT");
    if (o.paths.size() > 2) throw UserError("give one SRC and one DST; --glob converts many files");
    if (o.paths.size() == 2 && o.to.size() > 1) throw UserError("DST is one file; leave it out where --to is given several times");
    if (o.paths.size() == 1 && o.to.empty()) throw UserError("give DST or --to FORMAT");
    if (o.paths.size() == 2 && !o.out_dir.empty()) throw UserError("DST says where to write; leave out --out-dir");
    return run_convert(o);
  };
  return command;
}

Command export_command() {
  auto options = std::make_shared<ConvertOptions>();
  Command command;
  command.name = "export";
  command.summary = "write a trained model in the formats of other frameworks";
  command.description = {
      "Takes the best checkpoint of the run's folder RUN (else the newest), or a checkpoint, and writes it as DST, or in every format of "
      "--to into the folder export of the run (or --out-dir). It is dltool convert with a run as its source.",
      kProof,
  };
  command.examples = {
      {"For ONNX Runtime and Keras 3", "dltool export runs/digits --to onnx --to keras"},
      {"For Keras 2 and DL4J", "dltool export runs/digits digits.h5 --keras-version 2"},
      {"One file by name", "dltool export runs/digits/checkpoints/best.ckpt.h5 digits.onnx"},
  };
  Option& paths = command.positional_list("RUN [DST]", options->paths, "the folder of a run or a checkpoint; the file to write");
  paths.with_files();
  conversion_options(command, options.get());
  command.run = [options] {
    ConvertOptions o = *options;
    if (o.paths.empty() || o.paths.size() > 2) throw UserError("give RUN and DST or --to; see dltool export --help");
    if (o.paths.size() == 2 && o.to.size() > 1) throw UserError("DST is one file; leave it out where --to is given several times");
    if (o.paths.size() == 1 && o.to.empty()) throw UserError("give DST or --to FORMAT");
    return run_export(o);
  };
  return command;
}

}  // namespace dl::app
