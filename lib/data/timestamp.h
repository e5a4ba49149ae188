// Dates and times in text: 2016-02-29, 2016/02/29, 2016-02-29 13:05, 2016-02-29T13:05:07.25Z, 2016-02 (its first day); numbers are seconds.
// Who uses it: series with a `time:` column, and what is said of their windows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dl {

// Seconds since 1970-01-01 00:00 UTC (fractions are cut off); nullopt where the text is no date of the calendar. Without a zone the time
// is taken as it stands; +02:00 and Z are understood.
std::optional<int64_t> parse_timestamp(std::string_view text);
// "2014-02-07 14:55:00", which parse_timestamp reads back.
std::string timestamp_text(int64_t seconds);

}  // namespace dl
