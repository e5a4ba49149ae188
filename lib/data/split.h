// Parts of one source: training, validation, test.
// Who uses it: open_data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "data/dataset.h"
#include "data/source.h"

namespace dl {

enum class SplitBy { kRandom, kLast, kClass };  // kClass: random, with the same share of every class

struct SplitSpec {
  double fraction = 0;
  std::optional<SplitBy> by;     // as the source suggests when not given
  std::optional<int64_t> after;  // in place of a fraction: all rows of a series from this time on (seconds since 1970)
};

struct Parts {
  DatasetPtr train, validation, test;  // null where there is none
};

// Cuts `opened` up. Random splits depend on `seed` alone. Of a series, the rows are split, each file by itself, and every part has the
// windows that lie in its rows. UserError where a part would be empty; `place` begins its message.
Parts split_parts(const OpenedSource& opened, const std::optional<SplitSpec>& validation, const std::optional<SplitSpec>& test,
                  uint64_t seed, const std::string& place);

// `base` with samples of the smaller classes of field `field` repeated, in turn, until every class has as many as the largest.
DatasetPtr oversample(DatasetPtr base, size_t field);

}  // namespace dl
