#include "train/report.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "train/html.h"
#include "unit/test_folder.h"

using namespace dl;

namespace {

ReportData sample(int epochs, bool validation) {
  ReportData data;
  data.title = "digits";
  data.status = "finished";
  for (int i = 0; i < epochs; ++i) {
    EpochRecord record{.epoch = i,
                       .step = (i + 1) * 10,
                       .seconds = 2,
                       .data_wait_seconds = 0.5,
                       .samples_per_second = 1500,
                       .learning_rate = 0.01,
                       .logs = {}};
    record.logs = {{"loss", 1.0 / (i + 1)}, {"accuracy", 1 - 0.5 / (i + 1)}};
    if (validation) record.logs.insert(record.logs.end(), {{"val_loss", 1.5 / (i + 1)}, {"val_accuracy", 0.75}});
    data.history.epochs.push_back(record);
  }
  data.layers = {{"dense", "Dense", "(batch, 3)", 1234, ""}};
  data.trainable_parameters = 1200;
  data.fixed_parameters = 34;
  data.facts = {{"Seed", "42"}};
  data.confusion = ConfusionMatrix{{"a", "b", "c"}, {5, 1, 0, 2, 6, 0, 0, 0, 0}, "test"};
  data.config_yaml = "seed: 42\n";
  return data;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The page from the end of its style sheet on.
std::string_view body_of(std::string_view page) {
  const size_t end = page.find("</style>");
  return end == std::string_view::npos ? page : page.substr(end + 8);
}

// Text without style and tags, as a browser would show it; a bar for each tag.
std::string visible(const std::string& page) {
  std::string text;
  bool in_tag = false;
  for (const char c : body_of(page)) {
    if (c == '<') in_tag = true;
    if (!in_tag) text.push_back(c);
    if (c == '>' && in_tag) {
      in_tag = false;
      text.push_back('|');
    }
  }
  return text;
}

// The insides of all tags ("path class=\"best\" d=...", "/p"); quoted values are left out on demand.
std::vector<std::string> tags_of(std::string_view html, bool quoted) {
  std::vector<std::string> tags;
  bool in_tag = false, in_quotes = false;
  for (const char c : html) {
    if (!in_tag && c == '<') {
      in_tag = true;
      tags.emplace_back();
    } else if (in_tag && !in_quotes && c == '>') {
      in_tag = false;
    } else if (in_tag) {
      if (c == '"') in_quotes = !in_quotes;
      if (quoted || (!in_quotes && c != '"')) tags.back().push_back(c);
    }
  }
  return tags;
}

// Every opened element is closed in order, and no tag holds another '<', as an unescaped name would bring.
bool well_formed(const std::string& page) {
  std::vector<std::string> open = {"html", "head"};
  for (const std::string& tag : tags_of(body_of(page), true)) {
    if (contains(tag, "<")) return false;
    const bool closing = tag.starts_with('/');
    const std::string name = tag.substr(closing, tag.find_first_of(" /", closing) - closing);
    if (!closing && !tag.ends_with('/')) open.push_back(name);
    if (!closing) continue;
    if (open.empty() || open.back() != name) return false;
    open.pop_back();
  }
  return open.empty();
}

}  // namespace

TEST_CASE("the report shows the numbers of the run") {
  ReportData data = sample(4, true);
  data.best_epoch = 1;
  data.monitor = "val_accuracy";
  data.evaluations = {{"test", {{"accuracy", 0.9912}}}};
  const std::string page = render_report(data);
  const std::string text = visible(page);
  CHECK(well_formed(page));
  CHECK(contains(text, "|0.9912||test accuracy|"));
  CHECK(contains(text, "|Training, epoch 2|"));
  // loss: last, validation last, at epoch 2, validation at epoch 2, none in the evaluation
  CHECK(contains(text, "|loss||0.2500||0.3750||0.5000||0.7500||–|"));
  CHECK(contains(text, "epoch 2 is the best by val_accuracy"));
  CHECK(contains(text, "|dense||Dense||(batch, 3)||1,234|"));
  CHECK(contains(text, "1,234 parameters: 1,200 trainable, 34 not trainable."));
  CHECK(contains(text, "|Seed||42|"));
  CHECK(contains(text, "seed: 42\n"));
  CHECK(contains(text, "|25.0%|"));
  CHECK(contains(page, "prefers-color-scheme:dark"));
  for (const char* title : {"loss", "accuracy", "Learning rate", "Throughput, samples per second", "Time waiting for data"}) {
    CHECK(contains(page, std::string("<figcaption><b>") + title + "</b>"));
  }
}

TEST_CASE("no network, no script") {
  const std::string page = render_report(sample(3, true));
  CHECK_FALSE(contains(page, "<script"));
  CHECK_FALSE(contains(page, "http:"));
  CHECK_FALSE(contains(page, "https:"));
  CHECK_FALSE(contains(page, " src="));
  CHECK_FALSE(contains(page, " href="));
  CHECK_FALSE(contains(page, "url("));
  CHECK(contains(page, "default-src 'none'"));
}

TEST_CASE("every string a user can name is escaped") {
  const std::string evil = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&\x01\xff";
  ReportData data = sample(2, false);
  data.title = data.status = data.monitor = data.config_yaml = evil;
  data.best_epoch = 0;
  data.facts = {{evil, evil}};
  data.layers = {{evil, evil, evil, 1, evil}};
  data.evaluations = {{evil, {{evil, 1}}}};
  data.confusion = ConfusionMatrix{{evil, evil + "2"}, {1, 2, 3, 4}, evil};
  for (EpochRecord& record : data.history.epochs) record.logs = {{evil, 1}, {"val_" + evil, NAN}};
  const std::string page = render_report(data);
  CHECK(well_formed(page));
  CHECK_FALSE(contains(page, "<script"));
  CHECK_FALSE(contains(page, "<img"));
  CHECK_FALSE(contains(page, "\x01"));
  CHECK_FALSE(contains(page, "\xff"));
  for (const std::string& tag : tags_of(page, false)) CHECK_FALSE(contains(tag, "onerror"));
  CHECK(contains(page, "&quot;&#39;&gt;&lt;script&gt;alert(1)"));
  CHECK(escape_html("a\u202Eb\tc\n") == "a\uFFFDb\tc\n");
}

TEST_CASE("runs without validation, with one epoch, none, only NaN, many classes: whole pages") {
  ReportData plain = sample(1, false);
  plain.confusion.reset();
  plain.layers.clear();
  plain.facts.clear();
  plain.config_yaml.clear();
  const std::string page = render_report(plain);
  CHECK(well_formed(page));
  CHECK_FALSE(contains(visible(page), "alidation"));
  CHECK_FALSE(contains(page, "Confusion"));
  CHECK(contains(visible(page), "|1||epoch|"));

  const std::string empty = render_report(ReportData{});
  CHECK(well_formed(empty));
  CHECK(contains(empty, "No epoch was finished."));

  ReportData nan = sample(3, true);
  for (EpochRecord& record : nan.history.epochs) {
    for (auto& log : record.logs) log.second = NAN;
  }
  CHECK(well_formed(render_report(nan)));

  for (const size_t classes : {1, 20, 21, 100, 200, 201}) {
    ReportData many = sample(2, true);
    many.confusion = ConfusionMatrix{std::vector<std::string>(classes, "a class with quite a long name"),
                                     std::vector<int64_t>(classes * classes, 1), "test"};
    const std::string large = render_report(many);
    CHECK(well_formed(large));
    CHECK(contains(large, "aria-label=\"Confusion matrix\"") == (classes <= 200));
  }
}

TEST_CASE("validation every few epochs: the newest value stands in the table") {
  ReportData data = sample(4, true);
  data.history.epochs[3].logs.resize(2);
  CHECK(contains(visible(render_report(data)), "|loss||0.2500||0.5000|"));
}

TEST_CASE("a best epoch that is not in the history is not shown") {
  ReportData data = sample(2, true);
  data.best_epoch = 7;
  CHECK_FALSE(contains(render_report(data), "epoch 8"));
  CHECK_FALSE(contains(render_report(data), "dashed line"));
}

// By the definitions of sklearn.metrics.precision_recall_fscore_support.
TEST_CASE("class scores are scikit-learn's; undefined ones are NaN") {
  const ConfusionMatrix matrix{{"a", "b", "c", "d"}, {8, 1, 0, 1, 2, 6, 0, 2, 0, 0, 0, 0, 3, 0, 0, 7}, "test"};
  const std::vector<ClassScores> scores = class_scores(matrix);
  CHECK(scores[0].precision == doctest::Approx(8.0 / 13));
  CHECK(scores[0].recall == doctest::Approx(0.8));
  CHECK(scores[0].f1 == doctest::Approx(0.6956521739130435));
  CHECK(scores[1].precision == doctest::Approx(6.0 / 7));
  CHECK(scores[1].recall == doctest::Approx(0.6));
  CHECK(scores[1].f1 == doctest::Approx(0.7058823529411765));
  CHECK(scores[3].f1 == doctest::Approx(0.7));
  CHECK(std::isnan(scores[2].precision));
  CHECK(std::isnan(scores[2].recall));
  CHECK(std::isnan(scores[2].f1));
  CHECK(scores[0].samples == 10);
  CHECK(scores[0].predicted == 13);
  CHECK(accuracy_of(matrix) == doctest::Approx(0.7));
  CHECK(std::isnan(accuracy_of({{"a"}, {0}, ""})));
  // Most frequent mistake first; the class without samples is left out of the mean.
  const std::string text = visible(render_classes(matrix));
  CHECK(contains(text, "|Of the class|||\n|||d||a||3||30.0 %|"));
  CHECK(contains(text, "|Mean of classes||72.4 %||70.0 %||70.1 %||30||30|"));
}

TEST_CASE("write_report replaces the file as a whole") {
  TestFolder folder;
  const std::string path = folder / "report.html";
  write_report(path, sample(1, true));
  write_report(path, sample(2, true));
  CHECK(read_text(path) == render_report(sample(2, true)));
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), std::filesystem::directory_iterator()) == 1);
}
