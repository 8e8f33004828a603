#!/usr/bin/env python3
"""What the documents point at exists: headings and presets. tools/tidy checks links to files and named files."""
import json
import os
import re
import unittest

SOURCE = os.environ.get("CONNECTORDB_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(__file__))))
FOLDERS = "access|base|bench|catalog|cli|codec|database|docs|engine|export|samples|server|tests|tools"


def documents():
    """(path, text) of every Markdown file that we keep"""
    for top in [SOURCE] + [os.path.join(SOURCE, folder) for folder in FOLDERS.split("|")]:
        for folder, inner, names in os.walk(top):
            if top == SOURCE:
                inner.clear()
            for name in names:
                if name.endswith(".md"):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as file:
                        yield path, file.read()


def anchors(text):
    """The anchors of a document's headings, as Git hosts make them."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        kept = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(kept.strip().replace(" ", "-"))
    return found


class Documents(unittest.TestCase):
    def test_there_are_some(self):
        names = {os.path.relpath(path, SOURCE) for path, _ in documents()}
        self.assertLessEqual({"README.md", "docs/HACKING.md", "docs/FORMAT.md", "docs/ARCHITECTURE.md"}, names)

    def test_headings(self):
        texts = dict(documents())
        for path, text in texts.items():
            for name, anchor in re.findall(r"\]\(([^)\s#:]*)#([^)\s]+)\)", text):
                target = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
                where = f"{os.path.relpath(path, SOURCE)}: {name}#{anchor}"
                with self.subTest(where):
                    self.assertIn(anchor, anchors(texts[target]), f"{where}: no such heading")

    def test_named_presets(self):
        with open(os.path.join(SOURCE, "CMakePresets.json"), encoding="utf-8") as file:
            presets = {preset["name"] for preset in json.load(file)["configurePresets"]}
        for path, text in documents():
            named = set(re.findall(r"--preset (\w+)", text))
            self.assertLessEqual(named, presets, path)

    def test_decisions_have_numbers_of_their_own(self):
        folder = os.path.join(SOURCE, "docs", "decisions")
        names = sorted(os.listdir(folder))
        numbers = [name.split("-")[0] for name in names]
        self.assertEqual(len(numbers), len(set(numbers)), names)
        for name, number in zip(names, numbers):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                self.assertRegex(file.readline(), rf"^# {int(number)}\. ", name)


if __name__ == "__main__":
    unittest.main()
