// The live line of a training on stderr: a bar that redraws itself on a terminal, else one plain line every few seconds; either
// way one line per finished epoch. Who uses it: the training loop, on rank 0, from one thread.
//   Epoch  3/12 ━━━━━━━━━━━━━━────── 250/469  loss 0.1234  accuracy 0.9712  12.3k samples/s  ETA 0:12 (run 1:40)  data wait 3%
// Invariants: a drawn line is never wider than the terminal (fields are dropped, least important first); at most ten redraws a
// second; names are shown without control characters; output errors are ignored (a closed stderr does not stop a training).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "train/history.h"

namespace dl {

struct ProgressOptions {
  bool quiet = false;   // no output at all
  bool redraw = false;  // a bar, redrawn in place
  bool color = false;
  bool utf8 = false;
  double redraw_seconds = 0.1;
  double line_seconds = 5;                      // between plain lines within an epoch
  std::function<int()> width;                   // terminal columns, asked at each redraw; empty: 80
  std::function<double()> clock;                // seconds from any start, never going back; empty: the system's steady clock
  std::function<void(std::string_view)> write;  // empty: stderr
};

// For stderr as it is: terminal or not, NO_COLOR, FORCE_COLOR, TERM, locale.
ProgressOptions progress_options_for_stderr(bool quiet);

// Totals since the epoch began (in a resumed epoch: since the resume).
struct BatchProgress {
  int64_t batch = 0;    // batches of the epoch done, those before a resume included
  int64_t samples = 0;  // samples trained on since start_epoch
  double data_wait_seconds = 0;
  Logs logs = {};
};

class Progress {
 public:
  // first_epoch > 0 for a resumed run; ETA counts epochs up to `epochs`.
  Progress(ProgressOptions options, int64_t epochs);
  ~Progress();  // leaves no half-drawn line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // epoch counts from 0; batches = 0 when unknown; first_batch > 0 when resumed in mid-epoch.
  void start_epoch(int64_t epoch, int64_t batches, int64_t first_batch = 0);
  // Whether update() would print now. Cheap: ask before gathering numbers.
  bool due() const;
  void update(const BatchProgress& now);
  // "Validating" in place of the bar; drawn on a terminal only. `done` of `total` batches (0: unknown).
  void update_validation(int64_t done, int64_t total);
  void end_epoch(const EpochRecord& record);
  // Takes the bar off the screen so that something else can print; the next update draws it again. Wire it with set_before_log.
  void clear();

 private:
  std::string bar_line(const BatchProgress& now, int width) const;
  std::string plain_line(const BatchProgress& now) const;
  std::string eta(const BatchProgress& now, bool whole_run) const;
  void draw(const std::string& line);
  void print(const std::string& line);

  ProgressOptions options_;
  int64_t epochs_, epoch_ = 0, batches_ = 0, first_batch_ = 0;
  double epoch_start_ = 0, last_output_ = 0;
  double last_epoch_seconds_ = 0;  // of the last whole epoch, validation included; 0: none yet
  bool drawn_ = false;
};

// "0:07", "12:34", "3:04:05", "2d 3:04:05"; "--" for what is not a time.
std::string format_duration(double seconds);
// "0.0123", "1.234e-05", "nan"; at most 4 digits after the point.
std::string format_metric(double value);
// "987", "12.3k", "4.56M"
std::string format_rate(double per_second);

}  // namespace dl
