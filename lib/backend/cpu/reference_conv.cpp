// Reference kernels of convolution and its gradients: each result element is one sum, in double.
#include "backend/cpu/reference.h"
#include "backend/cpu/window.h"

namespace dl::cpu {
namespace {

// Row-major offset into a kernel [spatial..., in / groups, out].
int64_t kernel_offset(const WindowGeometry& g, const Int3& tap, int64_t in, int64_t out) {
  const int64_t place = (tap[0] * g.size[1] + tap[1]) * g.size[2] + tap[2];
  return (place * (g.channels / g.groups) + in) * g.out_channels + out;
}

void run_conv(const ReferenceCall& call) {
  const WindowGeometry g = conv_geometry(call.attrs, call.inputs[0].dims, call.inputs[1].dims, call.outputs[0].dims);
  const int64_t in_group = g.channels / g.groups, out_group = g.out_channels / g.groups;
  dispatch(call.outputs[0].dtype, [&]<class T>() {
    const T *x = call.in<T>(0), *w = call.in<T>(1);
    for (int64_t n = 0; n < g.batch; ++n)
      for_each_place(g.out, [&](const Int3& o) {
        for (int64_t k = 0; k < g.out_channels; ++k) {
          Wide<T> sum = 0;
          for_each_place(g.size, [&](const Int3& tap) {
            Int3 i;
            if (!g.find_source(o, tap, i)) return;
            for (int64_t c = 0; c < in_group; ++c)
              sum += widen(x[g.offset(g.in, g.channels, n, i, k / out_group * in_group + c)]) * widen(w[kernel_offset(g, tap, c, k)]);
          });
          call.out<T>(0)[g.offset(g.out, g.out_channels, n, o, k)] = convert<T>(sum);
        }
      });
  });
}

void run_input_grad(const ReferenceCall& call) {
  const WindowGeometry g = conv_geometry(call.attrs, call.outputs[0].dims, call.inputs[1].dims, call.inputs[0].dims);
  const int64_t in_group = g.channels / g.groups, out_group = g.out_channels / g.groups;
  dispatch(call.outputs[0].dtype, [&]<class T>() {
    const T *dy = call.in<T>(0), *w = call.in<T>(1);
    for (int64_t n = 0; n < g.batch; ++n)
      for_each_place(g.in, [&](const Int3& i) {
        for (int64_t c = 0; c < g.channels; ++c) {
          Wide<T> sum = 0;
          for_each_place(g.size, [&](const Int3& tap) {
            Int3 o;
            if (!g.find_window(i, tap, o)) return;
            for (int64_t k = c / in_group * out_group, end = k + out_group; k < end; ++k)
              sum += widen(dy[g.offset(g.out, g.out_channels, n, o, k)]) * widen(w[kernel_offset(g, tap, c % in_group, k)]);
          });
          call.out<T>(0)[g.offset(g.in, g.channels, n, i, c)] = convert<T>(sum);
        }
      });
  });
}

void run_weight_grad(const ReferenceCall& call) {
  const WindowGeometry g = conv_geometry(call.attrs, call.inputs[0].dims, call.outputs[0].dims, call.inputs[1].dims);
  const int64_t in_group = g.channels / g.groups, out_group = g.out_channels / g.groups;
  dispatch(call.outputs[0].dtype, [&]<class T>() {
    const T *x = call.in<T>(0), *dy = call.in<T>(1);
    for_each_place(g.size, [&](const Int3& tap) {
      for (int64_t c = 0; c < in_group; ++c)
        for (int64_t k = 0; k < g.out_channels; ++k) {
          Wide<T> sum = 0;
          for (int64_t n = 0; n < g.batch; ++n)
            for_each_place(g.out, [&](const Int3& o) {
              Int3 i;
              if (!g.find_source(o, tap, i)) return;
              sum += widen(x[g.offset(g.in, g.channels, n, i, k / out_group * in_group + c)]) *
                     widen(dy[g.offset(g.out, g.out_channels, n, o, k)]);
            });
          call.out<T>(0)[kernel_offset(g, tap, c, k)] = convert<T>(sum);
        }
    });
  });
}

}  // namespace

void append_reference_conv(std::vector<KernelRow>& rows) {
  rows.push_back({"conv", "reference", prepare_reference<run_conv>});
  rows.push_back({"conv_input_grad", "reference", prepare_reference<run_input_grad>});
  rows.push_back({"conv_weight_grad", "reference", prepare_reference<run_weight_grad>});
}

}  // namespace dl::cpu
