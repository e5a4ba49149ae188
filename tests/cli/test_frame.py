"""What all commands share: help, version, suggestions, errors, exit codes, closed and full outputs, odd environments."""

import os
import re
import subprocess

from cli import DLTOOL, CliTest, main

COMMANDS = ["train", "eval", "predict", "export", "convert", "inspect", "bench"]


class Help(CliTest):
    def test_help_lists_every_command_and_no_hidden_one(self):
        result = self.run_dltool("--help").succeeds()
        commands = re.search(r"Commands:\n(.*?)\n\n", result.stdout, re.S).group(1)
        self.assertEqual(re.findall(r"^  (\w+)", commands, re.M), COMMANDS + ["help"])
        result.expect("__" not in result.stdout, "hidden commands show")

    def test_examples_come_before_options(self):
        for command in COMMANDS:
            text = self.run_dltool(command, "--help").succeeds().stdout
            self.assertLess(text.index("Examples:"), text.index("Options:"), command)
            self.assertNotIn("--ranks", text)

    def test_examples_parse(self):
        """Every example of the help is understood: it may fail on its missing files, never as a wrong line."""
        for command in COMMANDS:
            text = self.run_dltool(command, "--help").stdout
            lines = re.findall(r"^ {6}(?:.*\| )?dltool (.*?)(?: [|>].*)?$", text, re.M)
            self.assertGreaterEqual(len(lines), 3, command)
            for line in lines:
                result = self.run_dltool(*line.split())
                result.expect("--help" not in result.stderr and "unknown option" not in result.stderr, f"example of {command}: {line}")

    def test_help_command(self):
        self.assertEqual(self.run_dltool("help", "eval").succeeds().stdout, self.run_dltool("eval", "-h").succeeds().stdout)
        self.run_dltool("help", "evil").fails(2, r"unknown command 'evil'; did you mean 'eval'\?")

    def test_no_arguments_is_a_short_help_and_a_usage_error(self):
        self.run_dltool().fails(2, r"^Examples:", lines=None)
        self.run_dltool("train").fails(2, r"dltool train --help", lines=None)

    def test_lines_fit_the_terminal(self):
        for arguments in [["--help"]] + [[c, "--help"] for c in COMMANDS]:
            for line in self.run_dltool(*arguments).stdout.splitlines():
                if not line.startswith("      "):  # an example is never broken
                    self.assertLessEqual(len(line), 80, line)

    def test_version(self):
        self.run_dltool("--version").succeeds().prints(r"^dltool \d+\.\d+\.\d+ \(.+\)$").prints(r"^oneDNN +\d").prints(r"^HDF5 +\d")
        value = self.run_dltool("--version", "--json").succeeds().json()
        self.assertEqual(list(value), ["version", "commit", "compiler", "onednn", "hdf5", "cpu", "isa", "onednn_isa"])

    def test_isa_mask(self):
        def isas(**env):
            value = self.run_dltool("--version", "--json", env=env).succeeds().json()
            return value["isa"], value["onednn_isa"]

        self.assertEqual(isas(DLTOOL_MAX_ISA="baseline"), ("baseline", "sse41"))
        self.assertEqual(isas(DLTOOL_MAX_ISA="avx2"), ("avx2", "avx2"))
        self.assertEqual(isas(ONEDNN_MAX_CPU_ISA="SSE41")[1], "sse41")
        self.run_dltool("--version", env={"DLTOOL_MAX_ISA": "mmx"}).fails(2, "DLTOOL_MAX_ISA: 'mmx' is unknown")

    def test_starts_with_few_libraries(self):
        """What decides the start-up time (about 5 ms): each shared library costs a fraction of a millisecond."""
        listing = subprocess.run([DLTOOL], stdout=subprocess.PIPE, text=True, env={**self.environment(), "LD_TRACE_LOADED_OBJECTS": "1"}, check=True).stdout
        if "=>" in listing:  # a static or sanitizer build may list nothing
            self.assertLessEqual(len(listing.splitlines()), 25, listing)


class WrongLines(CliTest):
    def test_misspelt_command(self):
        self.run_dltool("trian", "run.yaml").fails(2, r"unknown command 'trian'; did you mean 'train'\?")
        self.run_dltool("xyzzy").fails(2, r"unknown command 'xyzzy'; known: help, train, eval, predict, export, convert, inspect, bench")

    def test_command_that_does_not_exist_yet(self):
        self.run_dltool("serve-stream", "x").fails(2, "unknown command 'serve-stream'")

    def test_misspelt_option(self):
        self.run_dltool("train", "run.yaml", "--resum", "auto").fails(2, r"train: unknown option --resum; did you mean '--resume'\?")
        self.run_dltool("train", "--max_time=3s", "run.yaml").fails(2, r"unknown option --max_time; did you mean '--max-time'\?")
        self.run_dltool("train", "run.yaml", "-z").fails(2, r"train: unknown option -z; see dltool train --help")
        self.run_dltool("--versoin").fails(2, r"unknown option '--versoin'; did you mean '--version'\?")

    def test_missing_argument(self):
        self.run_dltool("train", "-v").fails(2, r"train: RUN.yaml is missing")
        self.run_dltool("eval", "--json").fails(2, r"eval: MODEL is missing")

    def test_missing_value(self):
        self.run_dltool("train", "run.yaml", "--seed").fails(2, r"train: .*--seed")

    def test_extra_argument(self):
        self.run_dltool("inspect", "a.h5", "b.h5").fails(2, r"inspect: unexpected argument 'b.h5'")

    def test_wrong_values(self):
        for arguments, pattern in [
            (["train", "r.yaml", "--seed", "x"], r"train: --seed: 'x' is not a whole number of at least 0"),
            (["train", "r.yaml", "--seed", "-1"], r"train: --seed: '-1' is not"),
            (["train", "r.yaml", "--seed", "1e3"], r"--seed: '1e3'"),
            (["train", "r.yaml", "--seed", "99999999999999999999"], r"--seed: '9+'"),
            (["train", "r.yaml", "--threads", "0"], r"--threads: '0' is not a whole number from 1 to"),
            (["train", "r.yaml", "--max-time", "soon"], r"--max-time: 'soon' is not a duration such as"),
            (["train", "r.yaml", "--max-time", "1:2:3:4"], r"--max-time"),
            (["train", "r.yaml", "--max-time", "-5"], r"--max-time"),
            (["train", "r.yaml", "--max-time", "inf"], r"--max-time"),
            (["train", "r.yaml", "--max-time", ""], r"--max-time"),
            (["train", "r.yaml", "--explain", "plam"], r"--explain: 'plam' is not known; did you mean 'plan'\?; choose from graph, passes, plan, memory"),
            (["train", "r.yaml", "epochs"], r"train: key=value: 'epochs' is not of the form key=value"),
            (["train", "r.yaml", "=3"], r"'=3' is not of the form"),
            (["eval", "m.h5", "--min", "accuracy"], r"eval: --min: 'accuracy' is not of the form key=value"),
            (["eval", "m.h5", "--min", "accuracy=0,97"], r"eval: --min: '0,97' is not a number"),
            (["eval", "m.h5", "--min", "accuracy=nan"], r"eval: --min: 'nan' is not a number"),
            (["predict", "m.h5"], r"either IN or --inputs"),
            (["predict", "m.h5", "--inputs", "a.npz"], r"--inputs and --outputs go together"),
            (["bench", "m.h5", "--seconds", "0"], r"bench: --seconds"),
        ]:
            with self.subTest(arguments):
                self.run_dltool(*arguments).fails(2, pattern)

    def test_json_errors(self):
        error = self.run_dltool("train", "--json", "run.yaml", "--resum", "auto").exits(2).json_error()
        self.assertIn("--resume", error["message"])
        self.assertIsNone(error["where"])

    def test_json_log_format_makes_errors_json(self):
        self.run_dltool("train", "r.yaml", "--log-format", "json", "--seed", "x").exits(2).json_error()

    def test_control_characters_do_not_reach_the_terminal(self):
        result = self.run_dltool("inspect", "a.h5", "b\x1b[2J.h5").fails(2, r"unexpected argument 'b\?\[2J\.h5'")
        self.assertNotIn("\x1b", result.stderr)

    def test_json_error_survives_bytes_that_are_not_utf8(self):
        self.run_dltool("inspect", "--json", "a", os.fsdecode(b"b\xff\"\n")).exits(2).json_error()


class Outputs(CliTest):
    """A result that did not get out is an error, whatever the reason."""

    def test_full_stdout(self):
        for arguments in ["--help", "--version", "train --help"]:
            self.shell(f"$DLTOOL {arguments} > /dev/full").fails(4, r"stdout: No space left on device")

    def test_closed_stdout(self):
        self.shell("$DLTOOL --help >&-").fails(4, r"stdout: Bad file descriptor")

    def test_closed_stdin_and_stderr(self):
        self.shell("$DLTOOL --version <&-").succeeds().prints(r"^dltool ")
        self.shell("$DLTOOL --version 2>&-").succeeds().prints(r"^dltool ")
        self.shell("$DLTOOL trian 2>&-").exits(2)

    def test_reader_that_went_away(self):
        # As every filter: ended by SIGPIPE, in silence; where that is ignored, an error.
        self.shell("mkfifo f; (exec 3<f) & exec 4>f; wait; $DLTOOL --help >&4").exits(128 + 13)
        self.shell("trap '' PIPE; mkfifo g; (exec 3<g) & exec 4>g; wait; $DLTOOL --help >&4").fails(4, r"stdout: Broken pipe")

    def test_errors_leave_nothing_behind(self):
        self.run_dltool("train", "nowhere.yaml", "-o", "out")
        self.assertEqual(os.listdir(self.folder), [])


class Surroundings(CliTest):
    def test_bare_environment(self):
        result = subprocess.run([DLTOOL, "--version"], env={}, capture_output=True, cwd=self.folder)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.run_dltool("--help", env={"HOME": None, "TMPDIR": "/nowhere", "PATH": None}).succeeds()

    def test_decimal_comma_and_dotless_i_locales(self):
        for locale in ["de_DE.UTF-8", "tr_TR.UTF-8", "xx_XX"]:
            env = {"LC_ALL": locale, "LANG": locale}
            self.run_dltool("eval", "m.h5", "--min", "accuracy=0,5", env=env).fails(2, r"'0,5' is not a number")
            result = self.run_dltool("eval", "m.h5", "--min", "accuracy=0.5", env=env)
            result.expect("is not a number" not in result.stderr, "a decimal point is refused")
            self.run_dltool("inspectt", env=env).fails(2, r"did you mean 'inspect'")

    def test_few_files_and_little_memory(self):
        self.shell("ulimit -n 16; $DLTOOL --version").succeeds()
        self.shell("ulimit -v 400000; $DLTOOL --help").succeeds()


if __name__ == "__main__":
    main()
