#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/verify.py on build folders whose tests are one line of sh: what the table and the exit status say of each outcome."""
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Verify(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="effnet-verify-")

    def tearDown(self):
        self.folder.cleanup()

    def run_it(self, *args):
        return subprocess.run([sys.executable, os.path.join(ROOT, "tools", "verify.py"), *args], cwd=self.folder.name, capture_output=True, text=True,
                              env={**os.environ, "EFFNET_SHARED": os.path.join(self.folder.name, "none"), "EFFNET_CACHE": self.folder.name})

    def verify(self, check, **tests):
        """Status, and the row's figure, bound and result."""
        with open(os.path.join(self.folder.name, "CTestTestfile.cmake"), "w") as f:
            for name, script in tests.items():
                f.write(f'add_test({name} "sh" "-c" [=[{script}]=])\nset_tests_properties({name} PROPERTIES SKIP_RETURN_CODE 77)\n')
        r = self.run_it("--build", ".", "--only", check)
        with open(os.path.join(self.folder.name, "verify.md")) as f:
            text = f.read()
        self.assertIn(f"--only {check}", text)
        cells = [cell.strip() for cell in text.strip().split("\n")[-1].strip("|").split("|")]
        return r.returncode, *cells[1:4]

    def test_pass(self):
        status, figure, bound, result = self.verify("counts", test_tables="echo 'figure: x: 0 (at most 0)'; echo 'figure: y: 2 (at most 4)'")
        self.assertEqual((status, figure, bound, result), (0, "2: y; the worst of 2", "<= 4", "pass"))

    def test_figureless(self):
        self.assertEqual(self.verify("large", test_forward_large="exit 0"), (0, "1 tests pass", "no test fails", "pass"))

    def test_failing_cmocka(self):
        said = "echo 'ERROR: took 75 ms'; echo '[  ERROR   ] --- [   LINE   ] --- x.c:88: error: Failure!'; exit 1"
        self.assertEqual(self.verify("counts", test_tables=said)[:2], (1, "test_tables fails: took 75 ms"))

    def test_failing_test(self):
        status, figure, _, result = self.verify("counts", test_tables="echo 'figure: y: 2 (at most 4)'; echo 'FAIL: by much'; exit 1")
        self.assertEqual((status, figure, result), (1, "test_tables fails: by much", "**FAIL**"))

    def test_not_built(self):
        with open(os.path.join(self.folder.name, "CTestTestfile.cmake"), "w") as f:
            f.write('add_test(test_tables "./nowhere")\n')
        self.assertEqual(self.run_it("--build", ".", "--only", "counts").returncode, 1)

    def test_over_its_bound(self):
        for value in ("5", "nan"):
            status, figure, _, result = self.verify("counts", test_tables=f"echo 'figure: x: 1 (at most 2)'; echo 'figure: y: {value} (at most 4)'")
            self.assertEqual((status, figure, result), (1, f"{value}: y; the worst of 2", "**FAIL**"))

    def test_not_here(self):
        for name, reason in (("test_lite", "no weights"), ("test_other", None)):
            status, figure, _, result = self.verify("released", **{name: "echo 'SKIPPED: no weights'; exit 77"})
            self.assertEqual((status, figure, result), (0, reason or "this build has no test_lite", "not here"))
        self.assertEqual(self.verify("accuracy", test_lite="exit 0")[::3], (0, "not here"))

    def test_breaks(self):
        status, figure, _, result = self.verify("memory", test_lite="exit 0")  # that build has no program
        self.assertEqual((status, result), (1, "**FAIL**"))
        self.assertIn("could not be checked", figure)

    def test_usage(self):
        listed = self.run_it("--list").stdout.split("\n")
        self.assertGreater(len(listed), 20)
        self.assertTrue(all(len(line.split()) > 2 for line in listed if line))
        self.assertGreater(len(listed), len(self.run_it("--list", "--quick").stdout.split("\n")))
        wrong = self.run_it("--only", "nothing")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("expected some of", wrong.stderr)
        nowhere = self.run_it("--build", "nowhere")
        self.assertEqual(nowhere.returncode, 1)
        self.assertIn("no build with tests there", nowhere.stderr)


if __name__ == "__main__":
    unittest.main()
