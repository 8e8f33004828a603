#!/usr/bin/env python3
"""This source tree is tidy, and tools/tidy finds what is not: a good tree, and the same with one bad file."""
import os
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ.get("CONNECTORDB_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(__file__))))
MARK = "TO" "DO"  # in two pieces: this file is checked too

GOOD = {
    "CMakeLists.txt": "foreach(layer base engine cli)\nendforeach()\n",
    "base/CMakeLists.txt": "connectordb_layer(base)\n",
    "engine/CMakeLists.txt": "connectordb_layer(engine ROOMS io store\n  LINKS base)\n",
    "base/include/error.h": "/* Errors, see docs/GUIDE.md. */\n",
    "engine/include/store.h": "/* The door. */\n",
    "engine/io/io.h": '#include "error.h"\n',
    "engine/store/store.c": '#include "store.h"\n#include "io.h"\n\n#include <zstd.h>\n/* zstd.h, io.h */\n'
                            "int f(void)\n{\n" + "    g();\n" * 70 + "}\n",
    "docs/GUIDE.md": "[here](GUIDE.md#top), `engine/io/io.h`, `store.c`, `test_NAME.c`\n\n| " + "wide " * 30 + "|\n",
    "tests/test_f.c": 'const char *text = "no/such.c";\n' + "int i;\n" * 900,
}

# rule, then the files that differ, then what is said
BAD = [
    ("length", {"base/a.c": "/* " + "long " * 22 + " */\n"}, "base/a.c:1: length: 116 characters"),
    ("length", {"docs/GUIDE.md": "word " * 30 + "\n"}, "docs/GUIDE.md:1: length: 150"),
    ("function", {"base/a.c": "int f(int a,\n    int b)\n{\n" + "    g();\n" * 71 + "}\n"},
     "base/a.c:3: function: f has 71 lines"),
    ("file", {"base/a.c": "int a;\n" * 801}, "base/a.c:801: file: 801 lines"),
    ("upward", {"base/a.c": '#include "store.h"\n'}, "base/a.c:1: upward: includes engine/include/store.h"),
    ("upward", {"engine/io/io.c": '\n#include "view.h"\n', "engine/store/view.h": ""},
     "engine/io/io.c:2: upward: includes engine/store/view.h"),
    ("upward", {"engine/store/a.c": '#include "all.h"\n', "engine/all.h": ""},
     "engine/store/a.c:1: upward: includes engine/all.h"),
    ("circle", {"cli/a.h": '#include "b.h"\n', "cli/b.h": "", "cli/b.c": '#include "c.h"\n', "cli/c.h": '#include "a.h"\n'},
     "circle: includes in a circle: cli/a cli/b cli/c"),
    ("circle", {"cli/a.c": '#include "b.h"\n', "cli/a_internal.h": "", "cli/b.h": '#include "a_internal.h"\n'},
     "circle: includes in a circle: cli/a cli/b"),
    ("mark", {"cli/a.c": f"/* {MARK}: finish */\n"}, f"cli/a.c:1: mark: {MARK}"),
    ("link", {"docs/GUIDE.md": "\n[there](gone/#top)\n"}, "docs/GUIDE.md:2: link: link to gone/"),
    ("reference", {"docs/GUIDE.md": "see `base/gone.c`\n"}, "docs/GUIDE.md:1: reference: names base/gone.c"),
    ("reference", {"cli/a.c": "int a;\n/* A text.\n * More is in gone.h. */\n"}, "cli/a.c:3: reference: names gone.h"),
    ("reference", {"tools/a.sh": "# reads docs/gone.md\n"}, "tools/a.sh:1: reference: names docs/gone.md"),
    ("exceptions", {"tools/tidy.exceptions": "# known:\nfile base/a.c\n"}, "tools/tidy.exceptions:2: exceptions: file base/a.c"),
]

EXCEPTED = [
    ("file base/*.c", {"base/a.c": "int a;\n" * 801}),
    ("upward base/a.c -> engine/include/*.h", {"base/a.c": '#include "store.h"\n'}),
    ("circle cli/a cli/b cli/c", {"cli/a.h": '#include "b.h"\n', "cli/b.h": '#include "a.h"\n', "cli/c.h": ""}),
]


def tidy(*arguments):
    done = subprocess.run([sys.executable, "-B", os.path.join(SOURCE, "tools", "tidy"), *arguments], capture_output=True,
                          text=True)
    assert done.stderr == "", done.stderr
    return done.returncode, done.stdout


class Tidy(unittest.TestCase):
    def tidy_tree(self, files):
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            return tidy(root)

    def test_this_tree(self):
        self.assertEqual(tidy(SOURCE), (0, ""))

    def test_a_good_tree(self):
        self.assertEqual(self.tidy_tree(GOOD), (0, ""))

    def test_bad_files(self):
        for rule, files, expected in BAD:
            with self.subTest(expected):
                code, found = self.tidy_tree({**GOOD, **files})
                self.assertEqual(code, 1)
                self.assertEqual(len(found.splitlines()), 1, found)
                self.assertIn(expected, found)
                self.assertIn(f" {rule}: ", found)

    def test_exceptions(self):
        for line, files in EXCEPTED:
            with self.subTest(line):
                self.assertEqual(self.tidy_tree({**GOOD, **files, "tools/tidy.exceptions": line + "\n"}), (0, ""))


if __name__ == "__main__":
    unittest.main()
