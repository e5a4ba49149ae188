#include "data/split.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/stored.h"

namespace dl {
namespace {

constexpr int64_t kSplitEpoch = -1;  // the random split is the order of an epoch that no training reaches

struct Counts {
  int64_t validation = 0, test = 0;
};

class Splitter {
 public:
  Splitter(const OpenedSource& opened, const std::optional<SplitSpec>& validation, const std::optional<SplitSpec>& test, uint64_t seed,
           const std::string& place)
      : opened_(opened), all_(opened.dataset), validation_(validation), test_(test), seed_(seed), place_(place) {}

  Parts run() {
    const SplitSpec& first = validation_ ? *validation_ : *test_;
    if (opened_.series) return by_rows();
    if (first.after || (test_ && test_->after))
      throw UserError(fmt::format("{}: after: splits a series; the source needs window: and time:", place_));
    const Counts counts = counts_of(all_->size());
    check(all_->size() - counts.validation - counts.test, counts.validation, counts.test);
    switch (first.by.value_or(opened_.ordered ? SplitBy::kLast : SplitBy::kRandom)) {
      case SplitBy::kLast:
        return by_last(counts);
      case SplitBy::kClass:
        return by_class();
      case SplitBy::kRandom:
        break;
    }
    return all_->size() <= EpochOrder::kListed ? by_random(counts) : by_marks(counts);
  }

 private:
  Counts counts_of(int64_t n) const {
    const auto count = [&](const std::optional<SplitSpec>& part) {
      return part ? static_cast<int64_t>(std::llround(part->fraction * static_cast<double>(n))) : int64_t{0};
    };
    return {count(validation_), count(test_)};
  }

  void check(int64_t train, int64_t validation, int64_t test) const {
    if (train > 0 && (!validation_ || validation > 0) && (!test_ || test > 0)) return;
    throw UserError(fmt::format("{}: splitting {} samples leaves {} for training, {} for validation, {} for test; every part needs one",
                                place_, all_->size(), train, validation, test));
  }

  Parts by_last(const Counts& counts) const {
    const int64_t n = all_->size(), train = n - counts.validation - counts.test;
    Parts parts;
    parts.train = slice(all_, 0, train);
    if (validation_) parts.validation = slice(all_, train, n - counts.test);
    if (test_) parts.test = slice(all_, n - counts.test, n);
    return parts;
  }

  Parts selected(std::vector<int64_t> train, std::vector<int64_t> validation, std::vector<int64_t> test) const {
    check(static_cast<int64_t>(train.size()), static_cast<int64_t>(validation.size()), static_cast<int64_t>(test.size()));
    for (auto* list : {&train, &validation, &test}) std::sort(list->begin(), list->end());
    Parts parts;
    parts.train = select(all_, std::move(train));
    if (validation_) parts.validation = select(all_, std::move(validation));
    if (test_) parts.test = select(all_, std::move(test));
    return parts;
  }

  // The last `count` of `order`.
  static std::vector<int64_t> cut(std::vector<int64_t>& order, int64_t count) {
    std::vector<int64_t> part(order.end() - count, order.end());
    order.resize(order.size() - static_cast<size_t>(count));
    return part;
  }

  Parts by_random(const Counts& counts) const {
    std::vector<int64_t> order = epoch_order(all_->size(), seed_, kSplitEpoch);
    std::vector<int64_t> test = cut(order, counts.test), validation = cut(order, counts.validation);
    return selected(std::move(order), std::move(validation), std::move(test));
  }

  // As by_random where lists of sample numbers would be too large.
  Parts by_marks(const Counts& counts) const {
    const int64_t n = all_->size();
    const EpochOrder order(n, seed_, kSplitEpoch);
    const auto marked = [&](int64_t begin, int64_t end) {
      std::vector<uint64_t> bits(static_cast<size_t>((n + 63) / 64), 0);
      for (int64_t i = begin; i < end; ++i) {
        const auto sample = static_cast<size_t>(order[i]);
        bits[sample / 64] |= uint64_t{1} << (sample % 64);
      }
      return select_marked(all_, std::move(bits));
    };
    Parts parts;
    const int64_t train = n - counts.validation - counts.test;
    parts.train = marked(0, train);
    if (validation_) parts.validation = marked(train, n - counts.test);
    if (test_) parts.test = marked(n - counts.test, n);
    return parts;
  }

  Parts by_class() const {
    const std::vector<Field>& fields = all_->fields();
    const auto field = std::find_if(fields.begin(), fields.end(), [](const Field& f) { return f.target && !f.classes.empty(); });
    if (field == fields.end()) throw UserError(place_ + ": by: class needs a target with classes");
    std::vector<std::vector<int64_t>> of_class(field->classes.size());
    for (const int64_t i : epoch_order(all_->size(), seed_, kSplitEpoch)) {
      const int32_t label = all_->label(i, static_cast<size_t>(field - fields.begin()));
      if (label >= 0) of_class.at(static_cast<size_t>(label)).push_back(i);
    }
    std::vector<int64_t> train, validation, test;
    for (std::vector<int64_t>& members : of_class) {
      const Counts counts = counts_of(static_cast<int64_t>(members.size()));
      const int64_t limit = static_cast<int64_t>(members.size());
      const std::vector<int64_t> t = cut(members, std::min(counts.test, limit));
      const std::vector<int64_t> v = cut(members, std::min(counts.validation, limit - static_cast<int64_t>(t.size())));
      train.insert(train.end(), members.begin(), members.end());
      validation.insert(validation.end(), v.begin(), v.end());
      test.insert(test.end(), t.begin(), t.end());
    }
    return selected(std::move(train), std::move(validation), std::move(test));
  }

  // Where the part that begins last of `rows` starts.
  int64_t start_of(const std::optional<SplitSpec>& part, const IndexRange& rows, int64_t end) const {
    if (!part) return end;
    if (!part->after) return std::max<int64_t>(rows.begin, end - std::llround(part->fraction * static_cast<double>(rows.end - rows.begin)));
    if (!opened_.series->times)
      throw UserError(fmt::format("{}: after: needs time:, the column of the source that holds the times", place_));
    return std::min(end, opened_.series->first_row_at(rows, *part->after));
  }

  Parts by_rows() const {
    if ((validation_ && validation_->by.value_or(SplitBy::kLast) != SplitBy::kLast) ||
        (test_ && test_->by.value_or(SplitBy::kLast) != SplitBy::kLast))
      throw UserError(fmt::format("{}: a series is split by time; windows drawn at random would overlap those of another part", place_));
    const SeriesLayout& layout = *opened_.series;
    std::vector<int64_t> train, validation, test;
    for (size_t s = 0; s < layout.series.size(); ++s) {
      const IndexRange rows = layout.series[s];
      const int64_t test_from = start_of(test_, rows, rows.end), validation_from = start_of(validation_, rows, test_from);
      for (int64_t w = layout.first_window[s]; w < layout.first_window[s + 1]; ++w) {
        const IndexRange of = layout.rows_of(w);
        const bool excluded = opened_.excluded && opened_.excluded(w);
        if (of.begin >= test_from)
          test.push_back(w);
        else if (of.begin >= validation_from && of.end <= test_from && !excluded)
          validation.push_back(w);
        else if (of.end <= validation_from && !excluded)
          train.push_back(w);
      }
    }
    return selected(std::move(train), std::move(validation), std::move(test));
  }

  const OpenedSource& opened_;
  const DatasetPtr& all_;
  const std::optional<SplitSpec>&validation_, &test_;
  uint64_t seed_;
  const std::string& place_;
};

class Oversampled : public Decorator {
 public:
  Oversampled(DatasetPtr base, std::vector<std::vector<int64_t>> members) : Decorator(std::move(base)), members_(std::move(members)) {
    std::erase_if(members_, [](const auto& m) { return m.empty(); });
    for (const auto& m : members_) largest_ = std::max(largest_, static_cast<int64_t>(m.size()));
  }
  int64_t size() const override { return largest_ * static_cast<int64_t>(members_.size()); }

 protected:
  int64_t base_index(int64_t index) const override {
    const std::vector<int64_t>& of = members_[static_cast<size_t>(index / largest_)];
    return of[static_cast<size_t>(index % largest_) % of.size()];
  }

 private:
  std::vector<std::vector<int64_t>> members_;  // by class
  int64_t largest_ = 0;
};

}  // namespace

Parts split_parts(const OpenedSource& opened, const std::optional<SplitSpec>& validation, const std::optional<SplitSpec>& test,
                  uint64_t seed, const std::string& place) {
  if (validation || test) return Splitter(opened, validation, test, seed, place).run();
  Parts parts;
  parts.train = opened.dataset;
  if (!opened.excluded) return parts;
  std::vector<int64_t> kept;
  for (int64_t w = 0; w < opened.dataset->size(); ++w)
    if (!opened.excluded(w)) kept.push_back(w);
  if (kept.empty()) throw UserError(fmt::format("{}: exclude: leaves no window", place));
  parts.train = select(opened.dataset, std::move(kept));
  return parts;
}

DatasetPtr oversample(DatasetPtr base, size_t field) {
  std::vector<std::vector<int64_t>> members(base->fields()[field].classes.size());
  for (int64_t i = 0; i < base->size(); ++i) {
    const int32_t label = base->label(i, field);
    if (label >= 0) members.at(static_cast<size_t>(label)).push_back(i);
  }
  return std::make_shared<Oversampled>(std::move(base), std::move(members));
}

}  // namespace dl
