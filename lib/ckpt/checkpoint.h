// dltool's native model file and the folder of them that a run keeps. An HDF5 file behind a seal and before an index (seal.h): the seal
// finds any damage, the index is all that reading needs, and h5py, h5dump and HDFView see plain HDF5:
//   /parameters/dense/kernel     every tensor by its name, '/' nests groups; contiguous, little-endian, attribute crc32c
//   /slots/adam_m/dense/kernel   "dense/kernel/adam_m", since a dataset cannot hold another one
//   /spec  /state  /facts/NAME   texts
// Who uses it: train (save, resume) and every command that takes a model. Writing: one call at a time (HDF5 is not thread-safe).
// Errors: FileError for a damaged, hostile or newer file; EnvError where the disk fails.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace dl {

struct Checkpoint {
  std::string spec;                          // resolved run or model YAML text
  std::map<std::string, Tensor> parameters;  // weights, slots, "step"; any names without NUL characters
  std::string state;                         // JSON text of the training loop: counters, data position, best values, history
  std::map<std::string, std::string> facts;  // version, time, host, ...
};

// Atomic and fsynced: on any error the old file stays and nothing is left behind. The same content gives the same bytes.
// Parameters go to the file from where they lie: no memory for a copy of them.
void write_checkpoint(const std::string& path, const Checkpoint& checkpoint);
Checkpoint read_checkpoint(const std::string& path);
// Looks at the first bytes only; false for what is not there or cannot be read. A truncated checkpoint is one.
bool is_checkpoint(const std::string& path);

// step-00000123.ckpt.h5 of a run, newest by step number, and best.ckpt.h5.
class CheckpointFolder {
 public:
  struct Entry {
    int64_t step = 0;
    std::string path;
  };

  // keep_last >= 1: how many step files save() leaves. Touches nothing on disk.
  CheckpointFolder(std::string directory, int keep_last);
  // Creates the folder and removes what a killed process left half-written. Only the run that owns the folder may call it.
  void prepare();

  // Writes the file of `step` and returns its path. Once that is durable, files beyond keep_last go, and so do files of later
  // steps: those belong to a way the run has left by resuming from an earlier checkpoint.
  std::string save(int64_t step, const Checkpoint& checkpoint);
  std::string save_best(const Checkpoint& checkpoint);

  std::vector<Entry> list() const;  // newest first; empty when there is no folder
  std::string best_path() const;
  // The newest that reads well; each damaged one adds a line to `warnings`. nullopt when there are none; FileError when there are
  // some and all are damaged, so that nobody starts anew over them by accident.
  std::optional<std::pair<std::string, Checkpoint>> load_latest(std::vector<std::string>* warnings) const;

 private:
  std::string directory_;
  int keep_last_;
};

}  // namespace dl
