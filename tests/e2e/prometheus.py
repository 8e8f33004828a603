"""A parser of the text format of Prometheus, version 0.0.4, written from its description: strict, and it says what is
wrong where."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)\Z")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|\Z)')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


class Wrong(AssertionError):
    pass


class Metrics:
    """types: {metric: its type}; samples: {(name, ((label, value), ...)): value}, in the order of the text."""

    def __init__(self, text):
        self.types, self.samples = {}, {}
        self.metric, self.helped = None, None
        if not text.endswith("\n"):
            raise Wrong("the last line does not end")
        for number, line in enumerate(text[:-1].split("\n"), 1):
            try:
                self.take(line)
            except Wrong as error:
                raise Wrong(f"line {number}: {line}: {error}") from None
        for metric, kind in self.types.items():
            self.check(metric, kind)

    def take(self, line):
        if line.startswith("# HELP "):
            words = line.split(" ", 3)
            if len(words) != 4 or not re.fullmatch(NAME, words[2]) or words[2] in self.types or not words[3]:
                raise Wrong("no help of a new metric")
            self.helped = words[2]
        elif line.startswith("# TYPE "):
            words = line.split(" ")
            if len(words) != 4 or words[2] != self.helped or words[3] not in SUFFIXES:
                raise Wrong("no type of the metric whose help stands before")
            self.metric = self.helped
            self.types[self.metric] = words[3]
        else:
            self.sample(line)

    def sample(self, line):
        found = SAMPLE.match(line)
        if not found or self.metric is None:
            raise Wrong("no sample")
        name, text, value = found.groups()
        if name not in [self.metric + suffix for suffix in SUFFIXES[self.types[self.metric]]]:
            raise Wrong(f"no sample of {self.metric}")
        labels, at = [], 0
        while text and at < len(text):
            label = LABEL.match(text, at)
            if not label:
                raise Wrong("wrong labels")
            labels.append(label.groups())
            at = label.end()
        if len({label for label, _ in labels}) < len(labels) or (name, tuple(labels)) in self.samples:
            raise Wrong("it is there twice")
        self.samples[name, tuple(labels)] = float(value)

    def check(self, metric, kind):
        """Names as promtool wants them, and histograms that add up."""
        if (kind == "counter") != metric.endswith("_total"):
            raise Wrong(f"{metric} is a {kind}")
        if kind != "histogram":
            return
        for labels in {labels for name, labels in self.samples if name == metric + "_count"}:
            buckets = [(dict(each)["le"], value) for (name, each), value in self.samples.items()
                       if name == metric + "_bucket" and tuple(pair for pair in each if pair[0] != "le") == labels]
            bounds, counts = [float(bound) for bound, _ in buckets], [count for _, count in buckets]
            if bounds != sorted(set(bounds)) or bounds[-1] != float("inf") or counts != sorted(counts):
                raise Wrong(f"{metric}: {buckets}")
            if counts[-1] != self.samples[metric + "_count", labels] or (metric + "_sum", labels) not in self.samples:
                raise Wrong(f"{metric}: count or sum")

    def get(self, name, **labels):
        """The sum of all samples of that name with these labels among theirs."""
        return sum(value for (each, of_each), value in self.samples.items()
                   if each == name and labels.items() <= dict(of_each).items())

    def monotone(self):
        """{what only grows: its value}"""
        return {key: value for key, value in self.samples.items()
                if key[0].endswith(("_total", "_bucket", "_sum", "_count"))}
