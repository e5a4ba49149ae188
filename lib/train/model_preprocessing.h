// Preprocessing at the border of a model: what the data section of a run does to numbers becomes layers of the model, or the layers that
// a model has for it go.
// Who uses it: convert and export, for --fold-preprocessing and --strip-preprocessing.
#pragma once

#include "io/saved_model.h"
#include "train/model_file.h"

namespace dl {

// Rescaling and standardization of the inputs stand in front of the model, that of targets is undone behind it: the model takes numbers as
// the data has them and gives them back so. Where outputs change, what the file says of training goes: its loss is about other numbers.
// UserError where there is no run to tell, or where missing values were filled, which no layer does.
void fold_preprocessing(SavedModel& model, const LoadedModel& loaded);

// Rescaling and Normalization layers that take an input of the model go; the model takes what came out of them. UserError without any.
void strip_preprocessing(SavedModel& model, const std::string& origin);

}  // namespace dl
