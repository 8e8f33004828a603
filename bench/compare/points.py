"""The generated datapoints as the peers' modules need them."""


class Points:
    """Consecutive points of one stream, by columns: texts of times and values as they are in JSON, and the times in
    microseconds."""

    def __init__(self, kind, stream, lines):
        self.kind = kind
        self.stream = stream
        pairs = [line[5:-1].split(',"d":', 1) for line in lines]  # {"t":1500000000.005,"d":19.95}
        self.times = [pair[0] for pair in pairs]
        self.values = [pair[1] for pair in pairs]
        self.micros = [round(float(time) * 1e6) for time in self.times]

    def __len__(self):
        return len(self.times)

    def slices(self, size):
        return [self.slice(first, first + size) for first in range(0, len(self), size)]

    def slice(self, first, end):
        part = Points(self.kind, self.stream, [])
        part.times, part.values, part.micros = self.times[first:end], self.values[first:end], self.micros[first:end]
        return part

    def truth(self):
        """(microseconds, value) of each: what a peer's read_back() must give."""
        parse = parser(self.kind)
        return list(zip(self.micros, map(parse, self.values)))


def parser(kind):
    """What makes a comparable value of a text: numbers are compared as numbers, to the bit; everything else as text."""
    return {"G": float, "N": float, "K": int, "E": str}[kind]


def from_pairs(kind, pairs, scale):
    """(time text, value text) pairs as read from a peer -> (microseconds, value); scale: microseconds in its unit."""
    parse = parser(kind)
    return [(round(float(time) * scale) if scale != 1 else int(time), parse(value)) for time, value in pairs]
