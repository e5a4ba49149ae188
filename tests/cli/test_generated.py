"""Man pages and completions in man/ are what the program writes, and they work."""

import os
import re
import shutil
import subprocess
import unittest

from cli import DLTOOL, ROOT, CliTest, main


class Generated(CliTest):
    def test_committed_files_are_current(self):
        self.run_dltool("__man", ROOT / "man", self.folder / "out").succeeds()
        fresh = {p.relative_to(self.folder / "out"): p.read_text() for p in (self.folder / "out").rglob("*") if p.is_file()}
        kept = {p.relative_to(ROOT / "man"): p.read_text() for p in (ROOT / "man").rglob("*") if p.is_file() and p.suffix != ".inc"}
        self.assertEqual(sorted(fresh), sorted(kept), "run: dltool __man man man")
        for name, text in fresh.items():
            self.assertEqual(kept[name].splitlines(), text.splitlines(), f"man/{name} is out of date; run: dltool __man man man")

    def test_man_pages_format_without_warnings(self):
        pages = sorted((ROOT / "man").glob("*.[157]"))
        self.assertGreaterEqual(len(pages), 7)
        for page in pages:
            done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page], capture_output=True, text=True,
                                  env={**self.environment(), "MANWIDTH": "80", "MANROFFSEQ": ""})
            self.assertEqual((done.returncode, done.stderr), (0, ""), page.name)

    def test_man_page_has_every_option_of_the_help(self):
        for command in ["train", "eval", "predict", "inspect", "bench"]:
            options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", self.run_dltool(command, "--help").stdout.split("Options:")[1])) - {"--help"}
            page = (ROOT / f"man/dltool-{command}.1").read_text().replace("\\-", "-")
            for option in options:
                self.assertIn(f"\\fB{option}\\fR", page, command)

    def complete_bash(self, line):
        """What bash offers at the end of `line`."""
        script = f"""
            source "{ROOT}/man/completions/dltool.bash"
            compopt() {{ :; }}   # works inside a real completion only
            COMP_WORDS=({line}); [[ '{line}' == *' ' ]] && COMP_WORDS+=('')
            COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
            _dltool; printf '%s\\n' "${{COMPREPLY[@]}}" """
        return self.shell(script).succeeds().stdout.split()

    def test_bash(self):
        self.write("run.yaml", "")
        self.assertEqual(self.complete_bash("dltool tr"), ["train"])
        self.assertEqual(self.complete_bash("dltool "), ["train", "eval", "predict", "export", "convert", "inspect", "bench", "help", "--help", "--version"])
        self.assertEqual(self.complete_bash("dltool train --max"), ["--max-time"])
        self.assertEqual(self.complete_bash("dltool train --explain p"), ["passes", "plan"])
        self.assertEqual(self.complete_bash("dltool train ru"), ["run.yaml"])
        self.assertEqual(self.complete_bash("dltool help in"), ["inspect"])
        self.assertNotIn("--ranks", self.complete_bash("dltool train --"))

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_zsh_syntax(self):
        subprocess.run(["zsh", "-n", ROOT / "man/completions/_dltool"], check=True)

    @unittest.skipUnless(shutil.which("fish"), "fish is not installed")
    def test_fish(self):
        script = f"source {ROOT}/man/completions/dltool.fish; complete -C 'dltool tr'; complete -C 'dltool train --explain p'"
        done = subprocess.run(["fish", "-c", script], capture_output=True, text=True, check=True, cwd=self.folder, env=self.environment())
        self.assertEqual([line.split("\t")[0] for line in done.stdout.splitlines()], ["train", "passes", "plan"])

    def test_unknown_shell(self):
        self.run_dltool("__complete", "tcsh").fails(2, r"unknown shell 'tcsh'; choose from bash, zsh, fish")

    def test_install_layout(self):
        build = os.path.dirname(os.path.dirname(DLTOOL))
        done = subprocess.run(["cmake", "--install", build, "--prefix", self.folder / "usr"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ["bin/dltool", "share/man/man1/dltool.1", "share/man/man1/dltool-train.1", "share/man/man5/dltool-spec.5", "share/man/man7/dltool-layers.7",
                     "share/bash-completion/completions/dltool", "share/zsh/site-functions/_dltool",
                     "share/fish/vendor_completions.d/dltool.fish"]:
            self.assertTrue((self.folder / "usr" / name).is_file(), name)


if __name__ == "__main__":
    main()
