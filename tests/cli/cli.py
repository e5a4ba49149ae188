"""Harness of the command-line tests: runs the real binary in an empty folder and checks stdout, stderr and the exit code.

    from cli import CliTest, main

    class Eval(CliTest):
        def test_missing_model(self):
            self.run_dltool("eval", "nowhere.h5").fails(3, r"nowhere\\.h5: .*does not exist")

    if __name__ == "__main__":
        main()

Each test begins in its own empty folder (self.folder), with a clean environment: HOME there, C.UTF-8, no DLTOOL_* variables.
`DLTOOL=path/to/dltool python3 tests/cli/test_frame.py [Class.test]` runs one file or one test by hand.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DLTOOL = os.path.abspath(os.environ.get("DLTOOL", ROOT / "build/release/bin/dltool"))


class Result:
    """A finished run. Each check returns the result, so that checks chain; a failed one shows the whole run."""

    def __init__(self, test, arguments, code, stdout, stderr):
        self.test, self.arguments, self.code, self.stdout, self.stderr = test, arguments, code, stdout, stderr

    def __str__(self):
        return f"$ dltool {' '.join(map(str, self.arguments))}\nexit code {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"

    def expect(self, condition, what):
        if not condition:
            self.test.fail(f"{what}\n{self}")
        return self

    def exits(self, code):
        return self.expect(self.code == code, f"expected exit code {code}")

    def succeeds(self):
        return self.exits(0)

    def prints(self, pattern):
        return self.expect(re.search(pattern, self.stdout, re.MULTILINE), f"stdout lacks /{pattern}/")

    def complains(self, pattern):
        return self.expect(re.search(pattern, self.stderr, re.MULTILINE), f"stderr lacks /{pattern}/")

    def fails(self, code, pattern, lines=1):
        """One clear line (or `lines`) on stderr, nothing on stdout, the documented exit code."""
        self.exits(code).complains(pattern)
        self.expect(self.stdout == "", "stdout should be empty")
        return self.expect(lines is None or self.stderr.count("\n") == lines, f"expected {lines} line(s) on stderr")

    def json(self):
        """stdout as the one JSON object it must be."""
        try:
            value = json.loads(self.stdout)
        except ValueError as error:
            self.test.fail(f"stdout is not one JSON value: {error}\n{self}")
        self.expect(isinstance(value, dict), "stdout is not a JSON object")
        return value

    def json_error(self):
        """The error object on stderr of a run with --json."""
        try:
            value = json.loads(self.stderr)
        except ValueError as error:
            self.test.fail(f"stderr is not one JSON value: {error}\n{self}")
        self.expect(set(value) == {"error"} and set(value["error"]) == {"code", "message", "where"}, "not an error object")
        self.expect(value["error"]["code"] == self.code, "code differs from the exit code")
        return value["error"]


class CliTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="dltool-cli-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def write(self, name, content):
        """A file in the test's folder, text or bytes; returns its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def environment(self, changes=None):
        """`changes` on top of the clean environment; None as a value removes the variable."""
        env = {"HOME": str(self.folder), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "OMP_WAIT_POLICY": "passive", "NO_COLOR": "1"}
        for name, value in (changes or {}).items():
            if value is None:
                env.pop(name, None)
            else:
                env[name] = str(value)
        return env

    def run_dltool(self, *arguments, stdin=b"", env=None, timeout=60, text=True, stdout=subprocess.PIPE, cwd=None, **more):
        """Runs to the end. A signal n gives the code 128+n, as in a shell."""
        arguments = [str(a) for a in arguments]
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run([DLTOOL, *arguments], input=data, stdout=stdout, stderr=subprocess.PIPE, cwd=cwd or self.folder,
                              env=self.environment(env), timeout=timeout, **more)
        code = done.returncode if done.returncode >= 0 else 128 - done.returncode
        decode = (lambda b: (b or b"").decode(errors="replace")) if text else (lambda b: b)
        return Result(self, arguments, code, decode(done.stdout), (done.stderr or b"").decode(errors="replace"))

    def start_dltool(self, *arguments, env=None, **more):
        """A running process (pipes on stdout and stderr), killed at the end of the test if it still runs."""
        process = subprocess.Popen([DLTOOL, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   cwd=self.folder, env=self.environment(env), text=True, **more)

        def stop():
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()

        self.addCleanup(stop)
        return process

    def shell(self, script, env=None, timeout=60):
        """`script` in bash with $DLTOOL set: for pipes and redirections."""
        env = {**self.environment(env), "DLTOOL": DLTOOL}
        done = subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, cwd=self.folder, env=env, timeout=timeout)
        return Result(self, ["(shell)", script], done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def main():
    if not os.access(DLTOOL, os.X_OK):
        raise SystemExit(f"{DLTOOL}: no such program; build it, or set DLTOOL")
    unittest.main(verbosity=2)
