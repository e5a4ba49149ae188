#include "train/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <vector>

#include "base/terminal.h"

namespace dl {
namespace {

constexpr int kMaxBarColumns = 30;
constexpr int kMinBarColumns = 8;

double steady_seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void write_stderr(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, bytes.data(), bytes.size());
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

int digits_of(int64_t value) { return static_cast<int>(fmt::formatted_size("{}", value)); }

// One piece of the line. The lowest rank goes first where the terminal is too narrow.
struct Field {
  int rank;
  std::string text;
  bool alarm = false;  // shown in red
};

std::string colored(const std::string& text, const char* code, bool color) {
  return color ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

Field log_field(const std::pair<std::string, double>& log, int rank) {
  return {rank, safe_for_terminal(log.first) + " " + format_metric(log.second), !std::isfinite(log.second)};
}

// Loss first, then the metrics in order; later ones are dropped first.
std::vector<Field> log_fields(const Logs& logs) {
  std::vector<Field> fields;
  for (size_t i = 0; i < logs.size(); ++i)
    fields.push_back(log_field(logs[i], i == 0 ? 100 : 80 - static_cast<int>(std::min<size_t>(i, 30))));
  return fields;
}

std::string bar(int64_t done, int64_t total, int columns, const ProgressOptions& options) {
  const int full = total > 0 ? static_cast<int>(std::clamp<int64_t>(done * columns / total, 0, columns)) : 0;
  std::string filled, empty;
  for (int i = 0; i < full; ++i) filled += options.utf8 ? "━" : "#";
  for (int i = full; i < columns; ++i) empty += options.utf8 ? "─" : "-";
  return colored(filled, "36", options.color && full > 0) + colored(empty, "2", options.color && full < columns);
}

int percent(double part, double whole) { return whole > 0 ? static_cast<int>(std::lround(100 * std::clamp(part / whole, 0.0, 1.0))) : 0; }

}  // namespace

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e9) return "--";
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  const int64_t days = whole / 86400, hours = whole / 3600 % 24, minutes = whole / 60 % 60;
  if (days > 0) return fmt::format("{}d {}:{:02}:{:02}", days, hours, minutes, whole % 60);
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

std::string format_metric(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const double size = std::fabs(value);
  if (size != 0 && (size < 1e-3 || size >= 1e5)) return fmt::format("{:.3e}", value);
  return fmt::format("{:.4f}", value);
}

std::string format_rate(double per_second) {
  if (!std::isfinite(per_second) || per_second < 0) return "--";
  if (per_second < 9.95) return fmt::format("{:.1f}", per_second);
  if (per_second < 999.5) return fmt::format("{:.0f}", per_second);
  for (const auto& [unit, name] : {std::pair(1e3, "k"), std::pair(1e6, "M"), std::pair(1e9, "G")}) {
    const double value = per_second / unit;
    if (value < 9.995) return fmt::format("{:.2f}{}", value, name);
    if (value < 99.95) return fmt::format("{:.1f}{}", value, name);
    if (value < 999.5) return fmt::format("{:.0f}{}", value, name);
  }
  return fmt::format("{:.1e}", per_second);
}

ProgressOptions progress_options_for_stderr(bool quiet) {
  ProgressOptions options;
  options.quiet = quiet;
  options.redraw = can_redraw(STDERR_FILENO);
  options.color = wants_color(STDERR_FILENO);
  options.utf8 = has_utf8_locale();
  options.width = [] { return terminal_width(STDERR_FILENO); };
  return options;
}

Progress::Progress(ProgressOptions options, int64_t epochs) : options_(std::move(options)), epochs_(epochs) {
  if (!options_.width) options_.width = [] { return 80; };
  if (!options_.clock) options_.clock = steady_seconds;
  if (!options_.write) options_.write = write_stderr;
}

Progress::~Progress() { clear(); }

void Progress::start_epoch(int64_t epoch, int64_t batches, int64_t first_batch) {
  epoch_ = epoch;
  batches_ = batches;
  first_batch_ = first_batch;
  epoch_start_ = options_.clock();
  // The bar appears with the first batch, a plain line only after its time.
  last_output_ = options_.redraw ? -std::numeric_limits<double>::infinity() : epoch_start_;
}

bool Progress::due() const {
  return !options_.quiet && options_.clock() - last_output_ >= (options_.redraw ? options_.redraw_seconds : options_.line_seconds);
}

void Progress::update(const BatchProgress& now) {
  if (!due()) return;
  last_output_ = options_.clock();
  options_.redraw ? draw(bar_line(now, options_.width() - 1)) : print(plain_line(now));
}

void Progress::update_validation(int64_t done, int64_t total) {
  if (!options_.redraw || !due()) return;
  last_output_ = options_.clock();
  const std::string text = fmt::format("Epoch {:>{}}/{}  validating  {}{}", epoch_ + 1, digits_of(epochs_), epochs_, done,
                                       total > 0 ? fmt::format("/{}", total) : "");
  draw(fit_to_width(text, options_.width() - 1, options_.utf8));
}

std::string Progress::eta(const BatchProgress& now, bool whole_run) const {
  const int64_t done = now.batch - first_batch_;
  if (batches_ <= 0 || done <= 0) return "--";
  const double elapsed = options_.clock() - epoch_start_;
  const double per_batch = elapsed / static_cast<double>(done);
  const double epoch_left = per_batch * static_cast<double>(std::max<int64_t>(batches_ - now.batch, 0));
  if (!whole_run) return format_duration(epoch_left);
  const double whole_epoch = last_epoch_seconds_ > 0 ? last_epoch_seconds_ : per_batch * static_cast<double>(batches_);
  return format_duration(epoch_left + whole_epoch * static_cast<double>(std::max<int64_t>(epochs_ - epoch_ - 1, 0)));
}

std::string Progress::bar_line(const BatchProgress& now, int width) const {
  const double elapsed = options_.clock() - epoch_start_;
  const std::string head = fmt::format("Epoch {:>{}}/{}", epoch_ + 1, digits_of(epochs_), epochs_);
  const std::string count =
      batches_ > 0 ? fmt::format("{:>{}}/{}", now.batch, digits_of(batches_), batches_) : fmt::format("batch {}", now.batch);
  std::vector<Field> fields = log_fields(now.logs);
  fields.push_back({60, fmt::format("{:>5} samples/s", format_rate(elapsed > 0 ? static_cast<double>(now.samples) / elapsed : NAN))});
  if (batches_ > 0) {
    fields.push_back({90, "ETA " + eta(now, false)});
    if (epoch_ + 1 < epochs_) fields.push_back({40, "run " + eta(now, true)});
  }
  const int waiting = percent(now.data_wait_seconds, elapsed);
  // Waiting for data is the one thing the user can cure, so it stays longer once it matters.
  fields.push_back({waiting >= 20 ? 85 : 30, fmt::format("data wait {:>2}%", waiting)});

  const auto columns = [&] {
    int sum = display_width(head) + 2 + display_width(count);
    for (const Field& field : fields) sum += 2 + display_width(field.text);
    return sum;
  };
  const int bar_minimum = batches_ > 0 ? kMinBarColumns + 1 : 0;
  while (!fields.empty() && columns() + bar_minimum > width) {
    const auto lowest = std::min_element(fields.begin(), fields.end(), [](const Field& a, const Field& b) { return a.rank < b.rank; });
    // The bar goes before the loss and the time left do.
    if (lowest->rank >= 90 && columns() <= width) break;
    fields.erase(lowest);
  }
  const int room = width - columns() - 1;
  if (columns() > width) return fit_to_width(head + "  " + count, width, options_.utf8);
  std::string line = colored(head, "1", options_.color);
  if (batches_ > 0 && room >= kMinBarColumns) line += "  " + bar(now.batch, batches_, std::min(room, kMaxBarColumns), options_);
  line += (batches_ > 0 && room >= kMinBarColumns ? " " : "  ") + count;
  for (const Field& field : fields) line += "  " + (field.alarm ? colored(field.text, "1;31", options_.color) : field.text);
  return line;
}

std::string Progress::plain_line(const BatchProgress& now) const {
  const double elapsed = options_.clock() - epoch_start_;
  std::string line = fmt::format("epoch {}/{}  batch {}", epoch_ + 1, epochs_, now.batch);
  if (batches_ > 0) line += fmt::format("/{}", batches_);
  for (const Field& field : log_fields(now.logs)) line += "  " + field.text;
  line += fmt::format("  {} samples/s", format_rate(elapsed > 0 ? static_cast<double>(now.samples) / elapsed : NAN));
  if (batches_ > 0) line += "  ETA " + eta(now, false);
  if (batches_ > 0 && epoch_ + 1 < epochs_) line += "  run " + eta(now, true);
  return line + fmt::format("  data wait {}%", percent(now.data_wait_seconds, elapsed));
}

void Progress::end_epoch(const EpochRecord& record) {
  // An epoch resumed in its middle says nothing about the next one's length.
  if (first_batch_ == 0) last_epoch_seconds_ = record.seconds;
  if (options_.quiet) return;
  clear();
  std::vector<Field> fields = {{0, record.seconds < 60 ? fmt::format("{:.1f} s", record.seconds) : format_duration(record.seconds)}};
  for (const auto& log : record.logs) fields.push_back(log_field(log, 0));
  fields.push_back({0, format_rate(record.samples_per_second) + " samples/s"});
  fields.push_back({0, fmt::format("data wait {}%", percent(record.data_wait_seconds, record.seconds))});

  // The numbers of an epoch are kept whole: on a terminal they go on in further lines, in a log they stay one line to grep.
  const int width = options_.redraw ? options_.width() - 1 : std::numeric_limits<int>::max();
  const std::string head = fmt::format("{} {:>{}}/{}", options_.redraw ? "Epoch" : "epoch", record.epoch + 1, digits_of(epochs_), epochs_);
  std::string line = fit_to_width(head, width, options_.utf8);
  const int indent = std::max(0, std::min(display_width(line), width - 24));
  line = colored(line, "1", options_.color && options_.redraw);
  bool has_field = false;
  for (const Field& field : fields) {
    if (has_field && display_width(line) + 2 + display_width(field.text) > width) {
      print(line);
      line = std::string(static_cast<size_t>(indent), ' ');
      has_field = false;
    }
    const std::string text = fit_to_width(field.text, width - display_width(line) - 2, options_.utf8);
    if (text.empty()) continue;
    line += "  " + (field.alarm ? colored(text, "1;31", options_.color) : text);
    has_field = true;
  }
  print(line);
}

void Progress::clear() {
  if (drawn_) options_.write("\r\x1b[K");
  drawn_ = false;
}

void Progress::draw(const std::string& line) {
  options_.write("\r" + line + "\x1b[K");
  drawn_ = true;
}

void Progress::print(const std::string& line) { options_.write(line + "\n"); }

}  // namespace dl
