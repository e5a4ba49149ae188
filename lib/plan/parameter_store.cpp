#include "plan/parameter_store.h"

#include <fmt/format.h>

namespace dl {

ParameterStore::~ParameterStore() {
  for (auto& [name, e] : entries_)
    if (e.lent.bytes() == 0) backend_.free(e.memory);
}

std::vector<std::string> ParameterStore::names() const {
  std::vector<std::string> names;
  for (const auto& [name, e] : entries_) names.push_back(name);
  return names;
}

void ParameterStore::set(const std::string& name, const Tensor& value) {
  auto it = entries_.find(name);
  if (it == entries_.end()) {
    it = entries_.emplace(name, Entry{value.dtype(), value.dims(), backend_.allocate(value.bytes()), value.bytes(), {}}).first;
  } else {
    DL_CHECK(it->second.dtype == value.dtype() && it->second.dims == value.dims(),
             fmt::format("parameter '{}' is {}{}, not {}{}", name, name_of(it->second.dtype),
                         to_string(std::span<const int64_t>(it->second.dims)), name_of(value.dtype()),
                         to_string(std::span<const int64_t>(value.dims()))));
  }
  DL_CHECK(it->second.lent.bytes() == 0, fmt::format("parameter '{}' is lent and cannot change", name));
  backend_.copy_to_device(it->second.memory, value.raw(), value.bytes());
  touch();
}

void ParameterStore::lend(const std::string& name, const Tensor& value) {
  if (!backend_.is_host() || value.bytes() == 0) return set(name, value);
  Entry entry{value.dtype(), value.dims(), nullptr, value.bytes(), value};
  entry.memory = entry.lent.raw();
  DL_CHECK(entries_.emplace(name, std::move(entry)).second, fmt::format("parameter '{}' is there already", name));
  touch();
}

Tensor ParameterStore::get(const std::string& name) const {
  const Entry& e = entry(name);
  Tensor value(e.dtype, e.dims);
  backend_.copy_to_host(value.raw(), e.memory, e.bytes);
  return value;
}

void* ParameterStore::data(const std::string& name) const { return entry(name).memory; }

const ParameterStore::Entry& ParameterStore::entry(const std::string& name) const {
  const auto it = entries_.find(name);
  DL_CHECK(it != entries_.end(), fmt::format("no parameter '{}'", name));
  return it->second;
}

}  // namespace dl
