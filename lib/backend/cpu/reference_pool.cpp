// Reference kernels of pooling: one result element at a time, sums in double.
#include <limits>

#include "backend/cpu/reference.h"
#include "backend/cpu/window.h"

namespace dl::cpu {
namespace {

// Offset of a window's first maximum; the first NaN wins. -1 for a window of padding alone.
template <class T>
int64_t find_maximum(const WindowGeometry& g, const T* x, int64_t n, const Int3& o, int64_t c) {
  int64_t best = -1;
  Wide<T> top = 0;
  for_each_place(g.size, [&](const Int3& tap) {
    Int3 i;
    if (!g.find_source(o, tap, i)) return;
    const int64_t at = g.offset(g.in, g.channels, n, i, c);
    const Wide<T> value = widen(x[at]);
    if (best < 0 || value > top || (value != value && top == top)) best = at, top = value;
  });
  return best;
}

int64_t count_cells(const WindowGeometry& g, const Int3& o, bool count_padding) {
  if (count_padding) return g.taps();
  int64_t count = 0;
  for_each_place(g.size, [&](const Int3& tap) {
    Int3 i;
    count += g.find_source(o, tap, i);
  });
  return count;
}

template <class Visit>
void for_each_output(const WindowGeometry& g, Visit&& visit) {
  for (int64_t n = 0; n < g.batch; ++n)
    for_each_place(g.out, [&](const Int3& o) {
      for (int64_t c = 0; c < g.channels; ++c) visit(n, o, c);
    });
}

// max_pool picks the maximum itself, max_pool_gather the element of the second operand at its place.
template <size_t picked>
void run_pick(const ReferenceCall& call) {
  const WindowGeometry g = pool_geometry(call.attrs, call.inputs[0].dims, call.outputs[0].dims);
  dispatch(call.outputs[0].dtype, [&]<class T>() {
    const double nothing = picked == 0 ? -std::numeric_limits<double>::infinity() : 0;
    for_each_output(g, [&](int64_t n, const Int3& o, int64_t c) {
      const int64_t best = find_maximum(g, call.in<T>(0), n, o, c);
      call.out<T>(0)[g.offset(g.out, g.channels, n, o, c)] = best < 0 ? convert<T>(nothing) : call.in<T>(picked)[best];
    });
  });
}

// For each input element the sum of `term`(window) over the windows that read it.
template <class T, class Term>
void gather_windows(const WindowGeometry& g, T* dx, Term&& term) {
  for (int64_t n = 0; n < g.batch; ++n)
    for_each_place(g.in, [&](const Int3& i) {
      for (int64_t c = 0; c < g.channels; ++c) {
        const int64_t at = g.offset(g.in, g.channels, n, i, c);
        Wide<T> sum = 0;
        for_each_place(g.size, [&](const Int3& tap) {
          Int3 o;
          if (g.find_window(i, tap, o)) sum += term(at, n, o, c);
        });
        dx[at] = convert<T>(sum);
      }
    });
}

void run_max_grad(const ReferenceCall& call) {
  const WindowGeometry g = pool_geometry(call.attrs, call.inputs[0].dims, call.inputs[1].dims);
  dispatch(call.outputs[0].dtype, [&]<class T>() {
    gather_windows(g, call.out<T>(0), [&](int64_t at, int64_t n, const Int3& o, int64_t c) {
      return find_maximum(g, call.in<T>(0), n, o, c) == at ? widen(call.in<T>(1)[g.offset(g.out, g.channels, n, o, c)]) : Wide<T>(0);
    });
  });
}

void run_avg(const ReferenceCall& call) {
  const WindowGeometry g = pool_geometry(call.attrs, call.inputs[0].dims, call.outputs[0].dims);
  const bool count_padding = call.attrs.flag("count_padding");
  dispatch(call.outputs[0].dtype, [&]<class T>() {
    for_each_output(g, [&](int64_t n, const Int3& o, int64_t c) {
      double sum = 0;
      for_each_place(g.size, [&](const Int3& tap) {
        Int3 i;
        if (g.find_source(o, tap, i)) sum += static_cast<double>(widen(call.in<T>(0)[g.offset(g.in, g.channels, n, i, c)]));
      });
      const int64_t count = count_cells(g, o, count_padding);
      call.out<T>(0)[g.offset(g.out, g.channels, n, o, c)] = convert<T>(count ? sum / static_cast<double>(count) : 0.0);
    });
  });
}

void run_avg_grad(const ReferenceCall& call) {
  const WindowGeometry g = pool_geometry(call.attrs, call.outputs[0].dims, call.inputs[0].dims);
  const bool count_padding = call.attrs.flag("count_padding");
  dispatch(call.outputs[0].dtype, [&]<class T>() {
    gather_windows(g, call.out<T>(0), [&](int64_t, int64_t n, const Int3& o, int64_t c) {
      return widen(call.in<T>(0)[g.offset(g.out, g.channels, n, o, c)]) / static_cast<Wide<T>>(count_cells(g, o, count_padding));
    });
  });
}

}  // namespace

void append_reference_pool(std::vector<KernelRow>& rows) {
  rows.push_back({"max_pool", "reference", prepare_reference<run_pick<0>>});
  rows.push_back({"max_pool_gather", "reference", prepare_reference<run_pick<1>>});
  rows.push_back({"max_pool_grad", "reference", prepare_reference<run_max_grad>});
  rows.push_back({"avg_pool", "reference", prepare_reference<run_avg>});
  rows.push_back({"avg_pool_grad", "reference", prepare_reference<run_avg_grad>});
}

}  // namespace dl::cpu
