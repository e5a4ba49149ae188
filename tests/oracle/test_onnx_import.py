#!/usr/bin/env python3
"""`dltool predict` on the conformance cases of ONNX: no wrong number, no crash, more passing cases than ONNX Runtime 1.31 has, and the list
of what is refused is the committed page. After a change: onnx_cases.py --write."""

import os
import re
import unittest

import onnx_cases


class Conformance(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        everything = re.compile("")
        cls.package = onnx_cases.run_all(list(onnx_cases.package_cases(everything)), os.environ["DLTOOL"], os.cpu_count())
        cls.debian = onnx_cases.run_all(list(onnx_cases.debian_cases(everything)), os.environ["DLTOOL"], os.cpu_count())

    def test_nothing_is_wrong(self):
        bad = [f"{verdict} {case.name}: {said}" for case, verdict, said in self.package + self.debian if verdict in ("wrong", "crash")]
        self.assertEqual(bad, [])

    def test_more_than_onnx_runtime(self):
        whole = [r for r in self.package if "_expanded" not in r[0].name]
        self.assertGreater(onnx_cases.count(whole)["pass"], 1000)  # ONNX Runtime: 896 of a subset
        self.assertGreater(onnx_cases.count(self.debian)["pass"], 993, "is Debian's libonnx-testdata installed?")

    def test_the_page_lists_what_is_refused(self):
        self.assertEqual(onnx_cases.report(self.package + self.debian), onnx_cases.PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()
