"""Each rule of tools/tidy, broken on purpose in a small tree."""

import importlib.machinery
import importlib.util
import pathlib
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
loader = importlib.machinery.SourceFileLoader("tidy", str(HERE / "tidy"))
tidy = importlib.util.module_from_spec(importlib.util.spec_from_loader("tidy", loader))
loader.exec_module(tidy)

GOOD = {
    "src/base/CMakeLists.txt": "sluice_library(base LAYER 0 SOURCES a.cc TESTS a_test.cc)",
    "src/base/a.h": "", "src/base/a.cc": '#include "base/a.h"', "src/base/a_test.cc": '#include "base/a.h"',
    "src/format/json/CMakeLists.txt": "sluice_library(format/json LAYER 4 SOURCES j.cc DEPS base TESTS j_test.cc)",
    "src/format/json/j.h": "", "src/format/json/j.cc": '#include "base/a.h"\n#include <vector>',
    "src/format/json/j_test.cc": "",
}  # fmt: skip


class TidyTest(unittest.TestCase):
    def messages(self, **changes):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["git", "init", "-q", folder], check=True)
            for name, text in {**GOOD, **{key.replace("__", "/"): value for key, value in changes.items()}}.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return "\n".join(f"{path}:{line}: {message}" for path, line, message in tidy.Tidy(folder).run())

    def test_a_tidy_tree_has_no_problems(self):
        self.assertEqual(self.messages(), "")

    def test_an_include_upwards_is_refused(self):
        found = self.messages(**{"src/base/a.cc": '\n#include "format/json/j.h"'})
        self.assertIn("src/base/a.cc:2: base (layer 0) may not include format/json (layer 4)", found)

    def test_siblings_may_not_include_each_other(self):
        found = self.messages(**{
            "src/format/csv/CMakeLists.txt": "sluice_library(format/csv LAYER 4 DEPS format/json)",
            "src/format/csv/c.h": '#include "format/json/j.h"',
        })  # fmt: skip
        self.assertIn("format/csv (layer 4) may not include format/json (layer 4)", found)

    def test_an_included_folder_must_be_in_deps(self):
        cmake = "sluice_library(format/json LAYER 4 SOURCES j.cc TESTS j_test.cc)"
        self.assertIn("base is not in the DEPS", self.messages(**{"src/format/json/CMakeLists.txt": cmake}))

    def test_a_dependency_nobody_includes_is_refused(self):
        self.assertIn("nothing here includes it", self.messages(**{"src/format/json/j.cc": ""}))

    def test_only_tests_may_include_the_conformance_batteries(self):
        battery = {
            "src/port/conformance/CMakeLists.txt": "sluice_library(port/conformance LAYER 3)",
            "src/port/conformance/c.h": "",
            "src/format/json/CMakeLists.txt":
                "sluice_library(format/json LAYER 4 SOURCES j.cc DEPS base TESTS j_test.cc TEST_DEPS port/conformance)",
        }  # fmt: skip
        line = '#include "port/conformance/c.h"'
        self.assertEqual(self.messages(**battery, **{"src/format/json/j_test.cc": line}), "")
        self.assertIn("for tests only", self.messages(**battery, **{"src/format/json/j.h": line}))

    def test_code_needs_a_test_beside_it_and_every_file_is_built(self):
        found = self.messages(**{"src/base/CMakeLists.txt": "sluice_library(base LAYER 0 SOURCES a.cc)"})
        self.assertIn("src/base/a_test.cc:1: not listed", found)
        found = self.messages(**{
            "src/net/CMakeLists.txt": "sluice_library(net LAYER 3 SOURCES n.cc)", "src/net/n.cc": "",
        })  # fmt: skip
        self.assertIn("net has no unit test", found)

    def test_names_sizes_and_text(self):
        self.assertIn("says nothing", self.messages(**{"src/base/string_utils.h": ""}))
        self.assertIn("601 lines", self.messages(**{"src/base/a.h": "//\n" * 601}))
        self.assertIn("in the tree", self.messages(**{"src/base/a.h": "// TO" "DO later"}))
        self.assertIn("registry host", self.messages(**{"tools/x": "https://" + "py" + "pi.org/simple"}))
        self.assertIn("path of one machine", self.messages(**{"tools/x": "cd " + "/ho" + "me/me/sluice"}))

    def test_a_layer_that_differs_from_the_map_is_refused(self):
        cmake = "sluice_library(base LAYER 3 SOURCES a.cc TESTS a_test.cc)"
        self.assertIn("LAYER of base is 0", self.messages(**{"src/base/CMakeLists.txt": cmake}))


if __name__ == "__main__":
    unittest.main()
