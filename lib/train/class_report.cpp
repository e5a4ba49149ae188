#include "train/class_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "base/error.h"
#include "base/terminal.h"
#include "base/utf8.h"
#include "train/html.h"

namespace dl {
namespace {

constexpr size_t kMaxNumbered = 20;  // up to here each cell shows its number
constexpr size_t kMaxDrawn = 200;
constexpr size_t kMaxPairs = 10;
constexpr int kMaxNameColumns = 16;

double ratio(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : std::numeric_limits<double>::quiet_NaN();
}

// Long names often differ at their end (n02085620-Chihuahua, class number 17), so the middle goes.
std::string short_name(const std::string& full) {
  const std::string name = safe_for_terminal(full);
  if (display_width(name) <= kMaxNameColumns) return escape_html(name);
  std::string tail = name;
  while (display_width(tail) > kMaxNameColumns / 2) tail.erase(0, static_cast<size_t>(decode_utf8(tail).size));
  return escape_html(fit_to_width(name, kMaxNameColumns - display_width(tail), true) + tail);
}

std::string scores_table(const ConfusionMatrix& matrix) {
  HtmlTable table;
  table.head = {"Class", "Precision", "Recall", "F1", "Samples", "Predicted"};
  table.css_class = "tall";
  double precision = 0, recall = 0, f1 = 0;
  int64_t present = 0, total = 0;
  const std::vector<ClassScores> scores = class_scores(matrix);
  for (size_t i = 0; i < matrix.size(); ++i) {
    const ClassScores& s = scores[i];
    table.rows.push_back({escape_html(matrix.class_names[i]), format_percent(s.precision), format_percent(s.recall), format_percent(s.f1),
                          format_count(s.samples), format_count(s.predicted)});
    total += s.samples;
    if (s.samples == 0) continue;
    // As scikit-learn's zero_division=0: a class never predicted has precision 0 in the mean.
    precision += std::isnan(s.precision) ? 0 : s.precision;
    recall += s.recall;
    f1 += std::isnan(s.f1) ? 0 : s.f1;
    ++present;
  }
  const double n = present > 0 ? static_cast<double>(present) : std::numeric_limits<double>::quiet_NaN();
  table.foot = {"Mean of classes",      format_percent(precision / n), format_percent(recall / n),
                format_percent(f1 / n), format_count(total),           format_count(total)};
  return render_table(table);
}

std::string pairs_table(const ConfusionMatrix& matrix) {
  struct Pair {
    int64_t count;
    size_t truth, predicted;
  };
  std::vector<Pair> pairs;
  for (size_t t = 0; t < matrix.size(); ++t) {
    for (size_t p = 0; p < matrix.size(); ++p) {
      if (t != p && matrix.at(t, p) > 0) pairs.push_back({matrix.at(t, p), t, p});
    }
  }
  if (pairs.empty()) return "<p class=\"note\">No sample was confused.</p>\n";
  const size_t shown = std::min(kMaxPairs, pairs.size());
  std::partial_sort(pairs.begin(), pairs.begin() + static_cast<std::ptrdiff_t>(shown), pairs.end(), [](const Pair& a, const Pair& b) {
    return std::tie(b.count, a.truth, a.predicted) < std::tie(a.count, b.truth, b.predicted);
  });
  const std::vector<ClassScores> scores = class_scores(matrix);
  HtmlTable table;
  table.head = {"True class", "Predicted as", "Samples", "Of the class"};
  table.first_number = 2;
  for (size_t i = 0; i < shown; ++i) {
    const Pair& pair = pairs[i];
    table.rows.push_back({escape_html(matrix.class_names[pair.truth]), escape_html(matrix.class_names[pair.predicted]),
                          format_count(pair.count), format_percent(ratio(pair.count, scores[pair.truth].samples))});
  }
  return "<h3>Most often confused</h3>\n" + render_table(table);
}

// Colour is the share of the true class, so that rare classes are as visible as frequent ones.
std::string heat_map(const ConfusionMatrix& matrix) {
  const size_t n = matrix.size();
  const bool numbered = n <= kMaxNumbered;
  const double cell_width = numbered ? 44 : std::max(4.0, 640.0 / static_cast<double>(n)), cell_height = numbered ? 30 : cell_width;
  int name_columns = 1;
  for (const std::string& name : matrix.class_names)
    name_columns = std::max(name_columns, std::min(display_width(safe_for_terminal(name)), kMaxNameColumns));
  // Column names stand upright only where they do not fit side by side.
  const bool upright = name_columns * 7.5 > cell_width - 4;
  const double left = 30 + name_columns * 7.2, top = upright ? 34 + name_columns * 7.2 : 44;
  const double side = static_cast<double>(n) * cell_width, width = left + side + 12,
               height = top + static_cast<double>(n) * cell_height + 8;
  const size_t stride = static_cast<size_t>(std::ceil(13.0 / cell_height));

  std::string out = fmt::format(
      "<div class=\"box heat\"><svg viewBox=\"0 0 {:.0f} {:.0f}\" style=\"width:{:.0f}px{}\" role=\"img\" aria-label=\"Confusion matrix\">",
      width, height, width, numbered ? "" : ";min-width:30rem;max-width:100%");
  out += fmt::format("<text x=\"{:.0f}\" y=\"14\" text-anchor=\"middle\" class=\"axis-name\">predicted</text>", left + side / 2);
  out += fmt::format("<text transform=\"translate(14 {:.0f}) rotate(-90)\" text-anchor=\"middle\" class=\"axis-name\">true</text>",
                     top + static_cast<double>(n) * cell_height / 2);
  out += fmt::format("<rect class=\"frame\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>", left, top, side,
                     height - top - 8);
  for (size_t i = 0; i < n; i += stride) {
    const std::string name = short_name(matrix.class_names[i]);
    const double x = left + (static_cast<double>(i) + 0.5) * cell_width, y = top + (static_cast<double>(i) + 0.5) * cell_height;
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", left - 6, y + 4, name);
    out += upright ? fmt::format("<text transform=\"translate({:.1f} {:.1f}) rotate(-90)\">{}</text>", x + 4, top - 6, name)
                   : fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>", x, top - 8, name);
  }
  const std::vector<ClassScores> scores = class_scores(matrix);
  for (size_t t = 0; t < n; ++t) {
    for (size_t p = 0; p < n; ++p) {
      const int64_t count = matrix.at(t, p);
      if (count == 0 && !numbered) continue;
      const double share = count > 0 ? ratio(count, scores[t].samples) : 0;
      const double x = left + static_cast<double>(p) * cell_width, y = top + static_cast<double>(t) * cell_height;
      if (count > 0) {
        // Even one sample in thousands stays visible.
        out += fmt::format(
            "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill-opacity=\"{:.3f}\"><title>{} as {}: {} "
            "({})</title></rect>",
            t == p ? "hit" : "miss", x, y, cell_width, cell_height, 0.08 + 0.92 * std::sqrt(share), escape_html(matrix.class_names[t]),
            escape_html(matrix.class_names[p]), format_count(count), format_percent(share));
      }
      if (numbered) {
        const char* tone = count == 0 ? " class=\"zero\"" : std::sqrt(share) > 0.55 ? " class=\"on\"" : "";
        const std::string text = count < 100000 ? fmt::format("{}", count) : fmt::format("{}k", count / 1000);
        out += fmt::format("<text{} x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>", tone, x + cell_width / 2,
                           y + cell_height / 2 + 4, text);
      }
    }
  }
  return out + "</svg></div>\n";
}

}  // namespace

std::vector<ClassScores> class_scores(const ConfusionMatrix& matrix) {
  const size_t n = matrix.size();
  DL_CHECK(matrix.counts.size() == n * n, fmt::format("confusion matrix of {} classes has {} cells", n, matrix.counts.size()));
  std::vector<ClassScores> scores(n);
  for (size_t t = 0; t < n; ++t) {
    for (size_t p = 0; p < n; ++p) {
      scores[t].samples += matrix.at(t, p);
      scores[p].predicted += matrix.at(t, p);
    }
  }
  for (size_t i = 0; i < n; ++i) {
    const int64_t hits = matrix.at(i, i);
    scores[i].precision = ratio(hits, scores[i].predicted);
    scores[i].recall = ratio(hits, scores[i].samples);
    scores[i].f1 = ratio(2 * hits, scores[i].samples + scores[i].predicted);
  }
  return scores;
}

double accuracy_of(const ConfusionMatrix& matrix) {
  int64_t hits = 0, total = 0;
  for (size_t i = 0; i < matrix.counts.size(); ++i) {
    total += matrix.counts[i];
    if (i % (matrix.size() + 1) == 0) hits += matrix.counts[i];
  }
  return ratio(hits, total);
}

std::string render_classes(const ConfusionMatrix& matrix) {
  const std::vector<ClassScores> scores = class_scores(matrix);
  int64_t total = 0;
  for (const ClassScores& s : scores) total += s.samples;
  std::string out = "<section id=\"classes\"><h2>Classes</h2>\n";
  const bool drawn = matrix.size() <= kMaxDrawn;
  out += fmt::format("<p>{} of {} samples of <b>{}</b> are right. {}</p>\n", format_percent(accuracy_of(matrix)), format_count(total),
                     escape_html(matrix.data_name),
                     drawn ? "Rows are true classes, colour is the share of the row."
                           : fmt::format("The matrix of {} classes is too large to draw.", matrix.size()));
  out += "<div class=\"split\">";
  if (drawn) out += "<div>" + heat_map(matrix) + "</div>";
  return out + "<div>" + pairs_table(matrix) + "</div></div>\n<h3>Scores</h3>\n" + scores_table(matrix) + "</section>\n";
}

}  // namespace dl
