#!/usr/bin/env python3
"""connectordb query: ranges and scripts over a stream, with a server at work and without, and over standard input."""
import json
import subprocess

from folders import FolderTest, make_folder
from harness import COMMAND_SECONDS_MAX, PROGRAM, command, main

POINTS = [{"t": 10 + i, "d": i * 1.5} for i in range(5000)]


def query_input(text, *arguments, exit_code=0):
    """What `query -` prints of the text: standard output, or standard error when it must fail."""
    done = subprocess.run([PROGRAM, "query", "-", *arguments], input=text.encode(), capture_output=True,
                          timeout=COMMAND_SECONDS_MAX)
    if done.returncode != exit_code:
        raise AssertionError(f"{arguments}: exit {done.returncode}, not {exit_code}\n{done.stderr.decode()}")
    return json.loads(done.stdout) if exit_code == 0 else done.stderr.decode()


class Stream(FolderTest):
    def setUp(self):
        super().setUp()
        command("create", self.database)
        make_folder(self.folder, {"ann": {"user": {"s": POINTS, "empty": []}}})
        command("import", self.database, self.folder)

    def query(self, *arguments, path="ann/user/s"):
        return json.loads(command("query", self.database, path, *arguments).stdout)

    def check(self):
        self.assertEqual(self.query(), POINTS)
        self.assertEqual(self.query(path="ann/user/empty"), [])
        self.assertEqual(self.query("--downlink"), [])
        self.assertEqual(self.query("--i1", "-3"), POINTS[-3:])
        self.assertEqual(self.query("--i1=7", "--i2=9"), POINTS[7:9])
        self.assertEqual(self.query("--t1", "12", "--t2", "15"), POINTS[3:6])
        self.assertEqual(self.query("--limit", "2"), POINTS[:2])
        self.assertEqual(self.query("--t1", "12", "--limit", "2", "-t", "if d > 10 | d * 2"),
                         [{"t": p["t"], "d": p["d"] * 2} for p in POINTS if p["d"] > 10][:2])
        self.assertEqual(self.query("--transform", "count | if last"), [{"t": POINTS[-1]["t"], "d": 5000}])
        self.assertEqual(self.query("--transform", "map(d > 100, count)"),
                         [{"t": POINTS[-1]["t"], "d": {"false": 67, "true": 4933}}])
        self.assertIn("there is no stream ann/user/nothing", command("query", self.database, "ann/user/nothing", exit_code=1).stderr)
        self.assertIn("is not the path user/device/stream", command("query", self.database, "ann/user", exit_code=1).stderr)
        self.assertIn("are no range of it", command("query", self.database, "ann/user/s", "--i1", "9000", exit_code=1).stderr)
        wrong = command("query", self.database, "ann/user/s", "-t", "d +", exit_code=1).stderr
        self.assertIn("d +", wrong)

    def test_with_a_server_and_without(self):
        self.check()
        self.start()
        self.check()
        self.stop()

    def test_a_reader_that_leaves_ends_the_work_of_the_server(self):
        self.start()
        reader = subprocess.Popen([PROGRAM, "query", self.database, "ann/user/s"], stdout=subprocess.PIPE)
        reader.stdout.close()  # the program writes to a closed pipe
        reader.wait(COMMAND_SECONDS_MAX)
        self.assertNotEqual(reader.returncode, 0)
        self.assertEqual(self.query("--i1", "-1"), POINTS[-1:])
        self.stop()

    def test_wrong_command_lines(self):
        for arguments, message in (
            ((self.database,), "which stream"),
            ((self.database, "ann/user/s", "--t1", "soon"), "Could not parse t1"),
            ((self.database, "ann/user/s", "--limit", "-1"), "Could not parse limit"),
            (("-", "ann/user/s"), "standard input"),
            (("-", "--i1", "0"), "standard input"),
        ):
            self.assertIn(message, command("query", *arguments, exit_code=2).stderr)


class Input(FolderTest):
    def test_json(self):
        points = [{"t": 1, "d": 5}, {"t": 2, "d": {"a": "x\ny"}}, {"t": 3, "d": None}]
        lines = "\n\n".join(json.dumps(point) for point in points)
        self.assertEqual(query_input(json.dumps(points)), points)
        self.assertEqual(query_input("\n " + json.dumps(points, indent=1)), points)
        self.assertEqual(query_input(lines), points)
        self.assertEqual(query_input("\ufeff\r\n" + lines.replace("\n", "\r\n") + "\r\n"), points)
        self.assertEqual(query_input(""), [])
        self.assertEqual(query_input(lines, "-t", "count"), [{"t": t, "d": t} for t in (1, 2, 3)])
        self.assertEqual(query_input(json.dumps(POINTS), "--transform", "if d > 7", "--limit", "3"), POINTS[5:8])
        self.assertEqual(query_input("\n".join(map(json.dumps, POINTS)), "-t", "sum | if last"),
                         [{"t": POINTS[-1]["t"], "d": sum(p["d"] for p in POINTS)}])

    def test_csv(self):
        text = 't,temperature,"the ""note""",o\r\n1,5,"a, b",x/y\r\n\r\n2.5,,"5",\r\n3,true,"two\nlines",\r\n'
        self.assertEqual(query_input(text), [
            {"t": 1, "d": {"temperature": 5, 'the "note"': "a, b"}},
            {"t": 2.5, "d": {"temperature": None, 'the "note"': "5"}},
            {"t": 3, "d": {"temperature": True, 'the "note"': "two\nlines"}}])
        self.assertEqual(query_input("d,Time\n7,2018-04-11T10:00:00Z\n+7,2018-04-11 12:00:00.5+02:00\n-1e2,1969-12-31T23:59:59Z"), [
            {"t": 1523440800, "d": 7}, {"t": 1523440800.5, "d": "+7"}, {"t": -1, "d": -100}])
        self.assertEqual(query_input("t\n1\n2\n"), [{"t": 1, "d": None}, {"t": 2, "d": None}])
        rows = "".join(f"{p['t']},{p['d']}\n" for p in POINTS)
        self.assertEqual(query_input("timestamp,value\n" + rows, "-t", "d"), POINTS)

    def test_errors_name_the_line(self):
        for text, message in (
            ('[{"t":1,"d":1}', "line 1"),
            ('{"t":1,"d":1}\n\n{"t":2 "d":1}', "line 3"),
            ('{"t":1,"x":1}', '"x"'),
            ("t,d\n1,2\n3\n", "line 3: the row has 1 fields, the header 2"),
            ('t,d\n1,"a\nb"c\n', "line 3: text behind the closing quote"),
            ('t,d\n1,"a', "inside of quotes"),
            ("t,d\n1,2\nnoon,2\n", "line 3: a time must be unix seconds"),
            ("t,d\n2018-13-11T10:00:00Z,2\n", "a time must be"),
            ("a,d\n1,2\n", "no column of the header"),
            ("," * 300 + "\n", "more than 256 columns"),
            ("t,d\n1," + "x" * (1 << 20) + "\n", "more than 1048576 bytes"),
            ("t,d\n1,\x01\xff\n".encode("latin-1").decode("latin-1"), None),
        ):
            with self.subTest(text=text[:40]):
                if message:
                    self.assertIn(message, query_input(text, exit_code=1))
                else:
                    query_input(text)

    def test_a_failing_script_names_the_datapoint(self):
        self.assertIn("sum at t = 2", query_input('{"t":1,"d":1}\n{"t":2,"d":"x"}', "-t", "sum", exit_code=1))


if __name__ == "__main__":
    main()
