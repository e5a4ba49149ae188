"""Are two ONNX models the same graph? Compared from the outputs back: operators, wiring, attributes and constants bit for bit.

What says the same in other words is left out: Identity, a Constant node or an initializer, names, nodes that no output needs. A node that
comes twice with equal operands counts twice."""

import collections
import hashlib

import onnx
from onnx import AttributeProto, helper, numpy_helper


def constant_of(node):
    """The array of a Constant node."""
    attribute = node.attribute[0]
    value = helper.get_attribute_value(attribute)
    if attribute.name == "value":
        return numpy_helper.to_array(value)
    kind = "int64" if attribute.name in ("value_int", "value_ints") else "float32"
    import numpy as np
    return np.array(value, dtype=kind)


def digest(*parts):
    h = hashlib.sha256()
    for part in parts:
        h.update(part if isinstance(part, bytes) else repr(part).encode())
        h.update(b"\0")
    return h.hexdigest()[:16]


def attribute_key(attribute):
    if attribute.type == AttributeProto.TENSOR:
        array = numpy_helper.to_array(attribute.t)
        return attribute.name, array.dtype.str, array.shape, array.tobytes()
    if attribute.type == AttributeProto.GRAPH:
        return attribute.name, "graph"
    copy = AttributeProto()
    copy.CopyFrom(attribute)
    copy.doc_string = ""
    return attribute.name, copy.SerializeToString(deterministic=True)


class Structure:
    """`outputs`: a digest for each; `nodes`: how often each operator is needed; `constants`: how often each array is there.

    `loose`: constant operands and attributes are not part of the digests, because between operator sets one becomes the other."""

    def __init__(self, model, loose=False):
        graph = model.graph
        self.loose = loose
        self.made, self.values = {}, {}
        self.nodes, self.constants = collections.Counter(), {}
        for tensor in graph.initializer:
            self.add_constant(tensor.name, numpy_helper.to_array(tensor))
        position = 0
        for value in graph.input:
            if value.name not in self.values:
                self.values[value.name] = f"input {position}"
                position += 1
        for node in graph.node:
            for name in node.output:
                self.made[name] = node
        self.outputs = [self.value(o.name) for o in graph.output]
        self.seen = set()
        self.read = set()
        for o in graph.output:
            self.visit(o.name)
        self.constants = collections.Counter(self.constants[name] for name in self.read)

    def add_constant(self, name, array):
        self.values[name] = "constant" if self.loose else "constant " + digest(array.dtype.str, array.shape, array.tobytes())
        self.constants[name] = (array.dtype.str, array.shape, array.tobytes())

    def value(self, name):
        stack = [name]
        while stack:
            top = stack[-1]
            if top in self.values or not top:
                stack.pop()
                continue
            node = self.made[top]
            missing = [i for i in node.input if i and i not in self.values]
            if missing:
                stack += missing
                continue
            stack.pop()
            self.digest_node(node)
        return self.values[name]

    def digest_node(self, node):
        if node.op_type == "Constant":
            return self.add_constant(node.output[0], constant_of(node))
        operands = [self.values[i] if i else "" for i in node.input]
        if node.op_type == "Identity":
            self.values[node.output[0]] = operands[0]
            return None
        while operands and not operands[-1]:
            operands.pop()
        if self.loose:
            operands = [o for o in operands if o not in ("", "constant")]
            key = digest(node.op_type, operands)
        else:
            key = digest(node.op_type, operands, sorted(attribute_key(a) for a in node.attribute))
        for k, name in enumerate(node.output):
            if name:
                self.values[name] = f"{key} {k}"
        return None

    def visit(self, name):
        stack = [name]
        while stack:
            top = stack.pop()
            if top in self.constants:
                self.read.add(top)
            node = self.made.get(top)
            if node is None or id(node) in self.seen:
                continue
            self.seen.add(id(node))
            if node.op_type not in ("Identity", "Constant"):
                self.nodes[node.op_type] += 1
            stack += [i for i in node.input if i]


def differences(before, after):
    """What is different, in words; "" when the graphs are the same. Constants may be shared and added, not lost."""
    loose = before.opset_import[0].version != after.opset_import[0].version
    a, b = Structure(before, loose), Structure(after, loose)
    words = []
    if a.nodes != b.nodes:
        gone, come = a.nodes - b.nodes, b.nodes - a.nodes
        words.append(" ".join(f"-{n}{k}" for k, n in sorted(gone.items())) + " | " + " ".join(f"+{n}{k}" for k, n in sorted(come.items())))
    elif a.outputs != b.outputs:
        words.append("other wiring, attributes or constants")
    if not loose and set(a.constants) - set(b.constants):
        words.append("constants are lost")
    return "; ".join(words)
