#include "data/timestamp.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "data/number.h"

namespace dl {
namespace {

// Takes exactly `digits` digits off the front of `text`.
std::optional<int> take(std::string_view& text, size_t digits) {
  if (text.size() < digits) return {};
  int value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return {};
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text[0]) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<int64_t> clock(std::string_view& text) {
  const auto hour = take(text, 2);
  if (!hour || *hour > 23 || !take(text, ":")) return {};
  const auto minute = take(text, 2);
  if (!minute || *minute > 59) return {};
  int second = 0;
  if (take(text, ":")) {
    const auto s = take(text, 2);
    if (!s || *s > 60) return {};
    second = *s;
    if (take(text, ".,")) {
      if (!take(text, "0123456789")) return {};
      while (take(text, "0123456789")) continue;
    }
  }
  return (int64_t{*hour} * 60 + *minute) * 60 + second;
}

std::optional<int64_t> zone(std::string_view& text) {
  if (text.empty() || take(text, "Z")) return 0;
  const int64_t sign = text[0] == '-' ? -1 : 1;
  if (!take(text, "+-")) return {};
  const auto hour = take(text, 2);
  take(text, ":");
  const auto minute = text.empty() ? std::optional<int>(0) : take(text, 2);
  if (!hour || !minute || *hour > 23 || *minute > 59) return {};
  return sign * (int64_t{*hour} * 60 + *minute) * 60;
}

}  // namespace

std::optional<int64_t> parse_timestamp(std::string_view text) {
  using namespace std::chrono;
  std::string_view rest = text;
  const auto y = take(rest, 4);
  if (!y || !(rest.starts_with('-') || rest.starts_with('/'))) {
    double seconds = 0;
    if (parse_number(text, seconds) != NumberKind::kNumber || std::abs(seconds) > 1e15) return {};
    return static_cast<int64_t>(std::floor(seconds));
  }
  rest.remove_prefix(1);
  const auto m = take(rest, 2);
  std::optional<int> d = 1;
  if (m && take(rest, "-/")) d = take(rest, 2);
  if (!m || !d) return {};
  const year_month_day date{year(*y), month(static_cast<unsigned>(*m)), day(static_cast<unsigned>(*d))};
  if (!date.ok()) return {};
  int64_t seconds = int64_t{sys_days(date).time_since_epoch().count()} * 86400;
  if (rest.empty()) return seconds;
  if (!take(rest, " T")) return {};
  const auto time = clock(rest);
  take(rest, " ");
  const auto offset = time ? zone(rest) : std::nullopt;
  if (!time || !offset || !rest.empty()) return {};
  return seconds + *time - *offset;
}

std::string timestamp_text(int64_t seconds) {
  using namespace std::chrono;
  constexpr int64_t kFar = 200'000'000'000;  // the year 8307
  if (seconds > kFar || seconds < -62'167'219'200) return std::to_string(seconds);
  const sys_seconds time{std::chrono::seconds(seconds)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock_time(time - day);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), clock_time.hours().count(), clock_time.minutes().count(),
                     clock_time.seconds().count());
}

}  // namespace dl
