#include "plan/place.h"

#include <algorithm>

#include "base/error.h"
#include "plan/memory.h"

namespace dl {
namespace {

class Placer {
 public:
  Placer(Plan& plan, const std::vector<std::vector<int>>& groups) : plan_(plan), groups_(groups), in_group_(plan.values.size(), 0) {
    for (const auto& group : groups)
      for (int v : group) in_group_[static_cast<size_t>(v)] = 1;
  }

  void run(const std::vector<PlacedUpdate>& updates) {
    share_views();
    find_lifetimes(updates);
    const std::vector<PlacedUpdate> copies = share_updates(updates);
    share_in_place();
    place_arena();
    place_static();
    resolve_shared();
    for (const PlacedUpdate& u : copies) add_copy(u);
  }

 private:
  PlanValue& value(int v) { return plan_.values[static_cast<size_t>(v)]; }
  PlanValue& root(int v) { return value(value(v).root); }
  int end() const { return static_cast<int>(plan_.steps.size()); }

  void share_views() {
    for (const Step& step : plan_.steps) {
      if (!step.kernel || !step.kernel->is_view) continue;
      PlanValue& out = value(step.outputs[0]);
      const PlanValue& in = value(step.inputs[0]);
      out.root = in.root;
      out.root_offset = in.root_offset + step.kernel->view_offset;
    }
  }

  // first_step and last_step of roots cover everything that shares their bytes.
  void find_lifetimes(const std::vector<PlacedUpdate>& updates) {
    const auto extend = [&](int v, int step) {
      value(v).last_step = std::max(value(v).last_step, step);
      root(v).last_step = std::max(root(v).last_step, step);
    };
    for (int s = 0; s < end(); ++s) {
      const Step& step = plan_.steps[static_cast<size_t>(s)];
      for (int v : step.outputs) {
        value(v).first_step = s;
        extend(v, s);
      }
      for (int v : step.inputs) extend(v, s);
    }
    for (int v : plan_.outputs) extend(v, end());
    for (const PlacedUpdate& u : updates) extend(u.value, end());
    for (const auto& group : groups_) {  // one message: alive together
      int first = end(), last = 0;
      for (int v : group) first = std::min(first, value(v).first_step), last = std::max(last, value(v).last_step);
      for (int v : group) value(v).first_step = first, value(v).last_step = last;
    }
  }

  // Does the kernel of `step` allow output `out` over one of its inputs with the root `wanted`?
  static bool allows(const Step& step, size_t out, size_t in) {
    return std::find(step.kernel->in_place.begin(), step.kernel->in_place.end(), std::pair(static_cast<int>(out), static_cast<int>(in))) !=
           step.kernel->in_place.end();
  }

  bool other_input_shares(const Step& step, size_t in) {
    for (size_t k = 0; k < step.inputs.size(); ++k)
      if (k != in && step.inputs[k] != step.inputs[in] && value(step.inputs[k]).root == value(step.inputs[in]).root) return true;
    return false;
  }

  // An update computed by a kernel that may write over the parameter does so when nobody reads the old value later.
  // Returns the updates that need a copy.
  std::vector<PlacedUpdate> share_updates(const std::vector<PlacedUpdate>& updates) {
    std::vector<PlacedUpdate> copies;
    for (const PlacedUpdate& u : updates)
      if (!write_over_parameter(u)) copies.push_back(u);
    return copies;
  }

  bool write_over_parameter(const PlacedUpdate& u) {
    PlanValue& v = value(u.value);
    if (v.root != u.value || v.storage != Storage::kArena || in_group_[static_cast<size_t>(u.value)] || v.first_step < 0) return false;
    Step& step = plan_.steps[static_cast<size_t>(v.first_step)];
    if (step.kind != StepKind::kKernel || root(u.parameter).last_step > v.first_step) return false;
    for (size_t out = 0; out < step.outputs.size(); ++out)
      for (size_t in = 0; in < step.inputs.size(); ++in)
        if (step.outputs[out] == u.value && step.inputs[in] == u.parameter && allows(step, out, in) && !other_input_shares(step, in)) {
          v.root = u.parameter;
          return true;
        }
    return false;
  }

  void share_in_place() {
    for (int s = 0; s < end(); ++s) {
      const Step& step = plan_.steps[static_cast<size_t>(s)];
      if (step.kind != StepKind::kKernel || step.is_static) continue;
      for (size_t out = 0; out < step.outputs.size(); ++out)
        for (size_t in = 0; in < step.inputs.size(); ++in)
          if (try_share(step, s, out, in)) break;
    }
  }

  bool try_share(const Step& step, int s, size_t out, size_t in) {
    if (!allows(step, out, in)) return false;
    PlanValue& o = value(step.outputs[out]);
    const PlanValue& i = value(step.inputs[in]);
    PlanValue& r = root(step.inputs[in]);
    if (o.root != step.outputs[out] || o.storage != Storage::kArena || r.storage != Storage::kArena) return false;
    if (in_group_[static_cast<size_t>(step.outputs[out])] || in_group_[static_cast<size_t>(i.root)]) return false;
    if (r.last_step != s || i.root_offset != 0 || i.bytes != r.bytes || o.bytes != i.bytes || other_input_shares(step, in)) return false;
    for (size_t other = 0; other < step.outputs.size(); ++other)
      if (other != out && value(step.outputs[other]).root == i.root) return false;
    // Everything that shares o's bytes (its views) moves along.
    const int old_root = step.outputs[out];
    r.last_step = o.last_step;
    for (PlanValue& v : plan_.values)
      if (v.root == old_root) v.root = i.root;
    return true;
  }

  bool is_root(size_t v) const { return plan_.values[v].root == static_cast<int>(v); }

  void place_arena() {
    std::vector<Block> blocks;
    std::vector<std::vector<int>> members;  // values of each block, side by side
    std::vector<char> seen(plan_.values.size(), 0);
    const auto add_block = [&](const std::vector<int>& group) {
      Block block{0, value(group[0]).first_step, 0};
      for (int v : group) {
        seen[static_cast<size_t>(v)] = 1;
        block.bytes += align_up(value(v).bytes);
        block.first_step = std::min(block.first_step, value(v).first_step);
        block.last_step = std::max(block.last_step, value(v).last_step);
      }
      plan_.unshared_bytes += block.bytes;
      blocks.push_back(block);
      members.push_back(group);
    };
    for (const auto& group : groups_) add_block(group);
    for (size_t v = 0; v < plan_.values.size(); ++v)
      if (plan_.values[v].storage == Storage::kArena && is_root(v) && !seen[v]) add_block({static_cast<int>(v)});
    const size_t first_workspace = blocks.size();
    for (int s = 0; s < end(); ++s)
      if (const size_t bytes = plan_.steps[static_cast<size_t>(s)].workspace_bytes) blocks.push_back({bytes, s, s});
    const Placement placement = place_blocks(blocks);
    plan_.arena_bytes = placement.arena_bytes;
    for (size_t b = 0; b < members.size(); ++b) {
      size_t offset = placement.offsets[b];
      for (int v : members[b]) {
        value(v).offset = offset;
        offset += align_up(value(v).bytes);
      }
    }
    size_t next = first_workspace;
    for (Step& step : plan_.steps)
      if (step.workspace_bytes) step.workspace_offset = placement.offsets[next++];
  }

  void place_static() {
    for (size_t v = 0; v < plan_.values.size(); ++v) {
      if (plan_.values[v].storage != Storage::kStatic || !is_root(v)) continue;
      plan_.values[v].offset = plan_.static_bytes;
      plan_.static_bytes += align_up(plan_.values[v].bytes);
    }
  }

  void resolve_shared() {
    for (PlanValue& v : plan_.values) {
      const PlanValue& r = plan_.values[static_cast<size_t>(v.root)];
      v.storage = r.storage;
      v.index = r.index;
      v.offset = r.offset + v.root_offset;
    }
  }

  void add_copy(const PlacedUpdate& u) {
    Step step;
    step.kind = StepKind::kCopy;
    step.op = step.row = "copy";
    step.inputs = {u.value};
    step.outputs = {u.parameter};
    step.bytes = 2.0 * static_cast<double>(value(u.value).bytes);
    plan_.steps.push_back(std::move(step));
  }

  Plan& plan_;
  const std::vector<std::vector<int>>& groups_;
  std::vector<char> in_group_;
};

}  // namespace

void place(Plan& plan, const std::vector<std::vector<int>>& groups, const std::vector<PlacedUpdate>& updates) {
  Placer(plan, groups).run(updates);
}

}  // namespace dl
