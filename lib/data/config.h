// The data section of a run file: parsed to a DataSpec, opened to Datasets.
// Who uses it: train, eval, predict, bench. dltool-spec(5) is written from this comment.
//
//   data:
//     train: {format: csv, path: iris.csv, ...}     a source, see below; required
//     validation: {split: 0.2}                      a part of train, or a source of its own; optional
//     test: {split: 0.1, by: last}                  the same; optional
//     seed: 0              random splits depend on it and on nothing else
//     shuffle: true        training samples in a new order each epoch, drawn with training.seed
//     workers: 2           threads that decode samples; 0: the training thread does it
//     prefetch: 4          batches decoded ahead
//     preprocess: {x: [{RandomCrop: {height: 28, width: 28}}, ...]}     steps (steps.h) on images, before scaling; a list alone is x's
//                 {review: [{TextVectorization: {max_tokens: 20000, output_sequence_length: 200}}], town: [StringLookup]}  on texts
//     standardize: [x]     fields brought to mean 0 and standard deviation 1, per element of the last axis
//     normalize: [y]       fields brought to 0..1; both are learned from the training part and undone in results
//     reconstruct: false   adds the target y, a copy of the input x as the model sees it: for autoencoders
//     balance: oversample  repeats training samples of the smaller classes until all are as many
// split takes a fraction of train (0 < f < 1). `by: random` (default) draws it with the seed; `by: class` the same share of every class;
// `by: last` takes the last samples. Order: training | validation | test. Series (window:) are split by rows, every file by itself, and no
// window crosses the border; {after: TIME} in place of a fraction takes the rows from that time on.
// Relative paths start from the folder of the run file. `-` is standard input. .gz files are inflated (all members). ${NAME} expands.
//
// Keys of every format, for inputs: shape: [dims of one sample]; rescale: factor (a number or a fraction such as 1/255); offset: added
// after. `format:` may be left out where the extension of `path` tells it (.csv, .csv.gz, .tsv, .data, .npz, .h5). Fields: inputs are
// called x and targets y unless named. Number targets are float32 [columns]; class targets are int32 scalars.
//
// path may be a list, a glob pattern or a range ({00..11}) of files for csv, webdataset, jsonl, tfrecord and text.
//
// csv     path; header: true; delimiter: ","; skip_lines: 0
//         columns: {x: [names or numbers from 0], y: name or number}; x or y may also be a map of field name to columns.
//           Without x: every column that is not a target. Without y: no target.
//         classes: true (distinct values, sorted: by number, or by bytes) | N (values 0..N-1) | [names]. A target whose first value is no
//         number is a class target by itself.
//         one_hot: {column: [values] | learn} replaces the input column by one 0/1 element per value; unknown: error | zeros.
//         missing: error | drop (the row) | mean (of the training part; inputs only) | zero | nan | a number. Missing are empty cells, NaN,
//         NA, N/A, null, None, ?.
//         window: {length: L, horizon: 1, stride: 1, gap: 0}: row i..i+L-1 is the input [L, columns], the `horizon` rows after it and the
//           gap the target [horizon * columns]; without y the series predicts itself; horizon: 0: no target. Each file is a series.
//         time: column of times; exclude: [[from, to], ...]: windows that training and validation must not see; anomalies: the same, of
//           times when something is known to have been wrong: evaluation says which of them were found.
//         Errors say file:line:column, where column counts cells from 1.
// idx     images, labels (optional); classes: N | [names]. Types other than labels become float32.
// npy     x: path or {field: path}; y: the same, optional; classes; dtype: float32 (of the inputs)
// npz     path; x: array name, list or {field: array} (default x); y: the same, optional; classes; dtype. Integer targets of rank 1 are
//         classes.
// hdf5    as npz, with the paths of datasets (train/images) for names; links to other files are not followed.
// Keys of images, wherever they come from: size: [height, width] (default: the first image's; bilinear); color: rgb | gray;
//         corrupt: error | skip; cache: none | memory (decoded pixels are kept if half of the memory holds them). JPEG and PNG.
// images  path: folder with one sub-folder per class (classes in byte order, dot files ignored); labels: true; classes: [sub-folders to
//         take, in this order].
// webdataset  path: tar files, plain, .gz or .zst; x: suffix of the member that is the input, several as jpg;png, or {field: suffix}
//         (default: the image or .npy of the first sample); y: the same (default: cls, where there is one); labels: true;
//         missing: error | drop (incomplete samples); classes. .jpg .jpeg .png are images, .npy arrays, others numbers or classes as
//         text; json:box.width is the value of that key in the member .json.
// jsonl   path; x: key, path of keys (a.b), list, or {field: keys}; y: the same; classes; missing as csv without nan; text (below).
// tfrecord  as jsonl, of tf.train.Example; bytes may be JPEG or PNG. A single integer as target is a class.
// text    path: files of lines, {class: file of lines}, or a folder with one sub-folder of .txt files per class; text: this, or a step of
//         preprocess; labels, classes.
//         text: {output_sequence_length: N, max_tokens: all, standardize: lower_and_strip_punctuation, split: whitespace, vocabulary:
//         learned, or a list, or a file of one word a line} as Keras's TextVectorization; the result is int32 [N].
// audio   path: folder of WAV files as of images; output_sequence_length: N (cut and padded; default: the first file's, of all);
//         sampling_rate: that of the first file; resample: none | linear; channels: all | mono; labels, classes. float32 [N, channels].
// synthetic  samples; shape; pattern: blobs | random | sine; classes: 2; seed: 0; noise: 1. blobs: one normal cloud per class; random:
//         noise and labels that do not depend on it; sine: the next value of a sine with noise.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/preprocessing.h"
#include "data/source.h"
#include "data/split.h"

namespace dl {

struct PartSpec {  // neither: the part is absent
  std::shared_ptr<const Source> source;
  std::optional<SplitSpec> split;
};

struct DataSpec {
  std::shared_ptr<const Source> train;
  PartSpec validation, test;
  uint64_t seed = 0;
  bool shuffle = true, oversample = false, reconstruct = false;
  int workers = 2, prefetch = 4;
  spec::Node preprocess;  // checked
  std::vector<std::string> standardize, normalize;
  spec::Place place;
};

// `base_dir`: folder of the run file, "" for the working folder. `path` is the dotted path of `node`, as in "data".
DataSpec parse_data(const spec::Node& node, const std::string& path, const std::string& base_dir, spec::Problems& problems);
std::shared_ptr<const Source> parse_source(const spec::Node& node, const std::string& path, const std::string& base_dir,
                                           spec::Problems& problems);
// The source of `node` with another file in place of its own, for predict. Keys for other files (labels) stay.
spec::Node with_path(const spec::Node& source, const std::string& path);
// Puts the tokens in place of the name of a file, one a line, that a step or `text:` gives as its vocabulary, as Keras takes it too: what
// is learned and saved does not depend on the file any more. EnvError, FileError.
void read_vocabulary_files(spec::Node& data, const std::string& base_dir);
// The data section with absolute paths for those relative to `base_dir`, so that it means the same from any folder.
spec::Node with_absolute_paths(const spec::Node& data, const std::string& base_dir);

struct Data {
  DatasetPtr train, validation, test;  // preprocessed; null where the spec has none
  Preprocessing preprocessing;
  std::vector<std::string> notes;  // for the user
};

// Opens all parts. With `learned` (from a checkpoint) nothing is fitted and class numbers follow it.
Data open_data(const DataSpec& spec, const Preprocessing* learned = nullptr);
// One source, prepared as in training. Its input fields must have the shapes of training.
DatasetPtr open_part(const Source& source, const Preprocessing& learned, bool inputs_only, std::vector<std::string>* notes = nullptr);

}  // namespace dl
