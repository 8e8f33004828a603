#!/usr/bin/env python3
"""Prints the points of segments as JSON lines (read_journal.py prints journals and manifests).

An independent reader, written from docs/FORMAT.md alone (sections 2, 5 and 6): it shares no code with the engine, so
that the two keep each other and the document honest. usage: read_database.py SEGMENT...
A line: {"series": 5, "index": 0, "t": 1480000000.5, "d": 20.5, "o": "user/device"}, o only for foreign senders.
Exit code 0; 1 = damaged, with a line that says what; 2 = wrong usage; 77 = libxxhash.so.0 or libzstd.so.1 is missing.
"""
import ctypes
import json
import math
import struct
import sys

MASK = (1 << 64) - 1
LANE_LIMIT = (1 << 52) - 1
SKIPPED = 77


class Damaged(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Damaged(what)


def load_library(name):
    try:
        return ctypes.CDLL(name)
    except OSError:
        print(f"read_database: {name} is missing", file=sys.stderr)
        sys.exit(SKIPPED)


def load_libraries():
    xxhash, zstd = load_library("libxxhash.so.0"), load_library("libzstd.so.1")
    xxhash.XXH3_64bits_withSeed.restype = ctypes.c_uint64
    xxhash.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
    zstd.ZSTD_decompress.restype = ctypes.c_size_t
    zstd.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    return xxhash, zstd


XXHASH, ZSTD = load_libraries()


# ---- section 2: conventions

def checksum(data, seed):
    return XXHASH.XXH3_64bits_withSeed(bytes(data), len(data), seed & MASK)


def decompress(data, size):
    target = ctypes.create_string_buffer(max(size, 1))
    found = ZSTD.ZSTD_decompress(target, size, bytes(data), len(data))
    expect(found == size, f"a zstd frame: expected {size} bytes, found {found}")
    return target.raw[:size]


def signed(word):
    return word - (1 << 64) if word >> 63 else word


def double(word):
    return struct.unpack("<d", struct.pack("<Q", word))[0]


def number(value):
    """A double as JSON's number: an integer where it is one, exact as int64 or uint64."""
    if value.is_integer() and -(1 << 63) <= value < 1 << 64 and not (value == 0 and math.copysign(1, value) < 0):
        return int(value)
    return value


class Reader:
    """Takes fields from bytes, front to back."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, size):
        expect(size <= self.left(), f"cut off: expected {size} bytes, found {self.left()}")
        self.at += size
        return self.data[self.at - size:self.at]

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack("<H", self.take(2))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def f64(self):
        return struct.unpack("<d", self.take(8))[0]

    def varint(self):
        value = 0
        for shift in range(0, 70, 7):
            byte = self.u8()
            value |= (byte & 0x7f) << shift
            if byte < 0x80:
                expect(value <= MASK, "a varint of over 64 bits")
                return value
        raise Damaged("a varint of over 10 bytes")

    def zigzag(self):
        value = self.varint()
        return value >> 1 if value % 2 == 0 else -(value >> 1) - 1


# ---- section 6.2: miniblocks

def digits_per_word(radix):
    digits = 0
    while radix ** (digits + 1) < 1 << 64:
        digits += 1
    return digits


def read_miniblock(reader, count, minimum_before):
    minimum = minimum_before + reader.zigzag()
    width, radix = reader.u8(), 0
    if width & 0x80:
        width, radix = width & 0x7f, reader.u8()
        expect(radix >= 3 and width <= 63, "a miniblock's radix")
    expect(width <= 64, "a miniblock's width")
    bits = int.from_bytes(reader.take((count * width + 7) // 8), "little")
    mask = (1 << width) - 1
    values = [(bits >> (i * width)) & mask for i in range(count)]
    if radix:
        per_word = digits_per_word(radix)
        for i in range(count):
            if i % per_word == 0:
                word = reader.u64()
            product = word * radix
            values[i] += product >> 64 << width
            word = product & MASK
    return [(minimum + value) & MASK for value in values], minimum


def read_miniblocks(reader, count, several):
    residuals, minimum = [], 0
    size = 256 if several else count
    while len(residuals) < count:
        values, minimum = read_miniblock(reader, min(size, count - len(residuals)), minimum)
        residuals += values
    return residuals


# ---- section 6.1: runs of u64

def read_planes(reader, count):
    minimum, kinds = reader.zigzag(), reader.u16()
    residuals = [minimum] * count
    for plane in range(8):
        kind = kinds >> (2 * plane) & 3
        if kind == 0:
            continue
        if kind == 1:
            column = [reader.u8()] * count
        elif kind == 2:
            column = reader.take(count)
        else:
            column = decompress(reader.take(reader.varint()), count)
        residuals = [r + (byte << (8 * plane)) for r, byte in zip(residuals, column)]
    return residuals


def read_u64s(reader, count):
    """count integers, modulo 2^64"""
    flags = reader.u8()
    transform = flags & 3
    expect(flags < 0x80 and transform < 3 and flags & 0x14 != 0x14 and (not flags & 0x40 or transform == 2),
           f"flags of a run of u64 {flags:#x}")
    base, factor = (reader.zigzag(), reader.varint()) if flags & 0x20 else (0, 1)
    first = reader.zigzag() if transform == 1 else 0
    slope = reader.zigzag() if transform == 2 else 0
    fraction = reader.u16() if flags & 0x40 else 0
    residual_count = count - 1 if transform == 1 else count
    patches, position = [], 0
    for _ in range(reader.varint() if flags & 0x08 else 0):
        position += reader.varint()
        patches.append((position, reader.zigzag()))
        expect(position < residual_count, "a patch's position")
    if flags & 0x10:
        residuals = read_planes(reader, residual_count)
    else:
        residuals = read_miniblocks(reader, residual_count, flags & 0x04)
    for position, residual in patches:
        residuals[position] = residual
    if transform == 0:
        u64s = residuals
    elif transform == 1:
        u64s = [first]
        for residual in residuals:
            u64s.append((u64s[-1] + residual) & MASK)
    else:
        u64s = [r + i * slope + i * fraction // 65536 for i, r in enumerate(residuals)]
    return [(base + factor * word) & MASK for word in u64s]


# ---- sections 6.3 to 6.6: columns

def decimal(integer, exponent):
    if exponent == 0:
        return integer
    expect(abs(integer) <= LANE_LIMIT, "a decimal's range")
    return number(integer / 10 ** exponent)


def read_exceptions(reader, count):
    exceptions, position = [], 0
    for _ in range(reader.varint()):
        position += reader.varint()
        expect(position < count, "an exception's position")
        exceptions.append((position, reader.f64()))
    return exceptions


def read_numbers(reader, tag, count):
    if tag == 0x40:
        values = [double(word) for word in read_u64s(reader, count)]
        expect(all(math.isfinite(value) for value in values), "a number that is not finite")
        return [number(value) for value in values]
    exponent = tag & 0x1f
    expect(exponent <= 18, f"tag {tag:#x}")
    exceptions = read_exceptions(reader, count) if tag & 0x20 else []
    values = [decimal(signed(word), exponent) for word in read_u64s(reader, count)]
    for position, value in exceptions:
        expect(math.isfinite(value), "a number that is not finite")
        values[position] = number(value)
    return values


def read_bytes(reader, size):
    kind = reader.u8()
    expect(kind <= 1, "a kind of bytes")
    return decompress(reader.take(reader.varint()), size) if kind else bytes(reader.take(size))


def read_booleans(reader, tag, count):
    if tag != 0x52:
        return [tag == 0x51] * count
    bitmap = read_bytes(reader, (count + 7) // 8)
    return [bool(bitmap[i // 8] >> (i % 8) & 1) for i in range(count)]


def unpack_msgpack(reader):
    head = reader.u8()
    if head < 0x80:
        return head
    if head >= 0xe0:
        return head - 0x100
    sized = {0xd9: (1, "s"), 0xda: (2, "s"), 0xdb: (4, "s"), 0xdc: (2, "a"), 0xdd: (4, "a"), 0xde: (2, "m"), 0xdf: (4, "m")}
    scalars = {0xcb: ">d", 0xcc: ">B", 0xcd: ">H", 0xce: ">I", 0xcf: ">Q", 0xd0: ">b", 0xd1: ">h", 0xd2: ">i", 0xd3: ">q"}
    if head in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[head]
    if head in scalars:
        return struct.unpack(scalars[head], reader.take(struct.calcsize(scalars[head])))[0]
    if head in sized:
        size, kind = int.from_bytes(reader.take(sized[head][0]), "big"), sized[head][1]
    else:
        expect(head < 0xc0, f"msgpack of type {head:#x}")
        kind = "s" if head >= 0xa0 else "a" if head >= 0x90 else "m"
        size = head & (0x1f if kind == "s" else 0x0f)
    if kind == "s":
        return bytes(reader.take(size)).decode("utf-8")
    if kind == "a":
        return [unpack_msgpack(reader) for _ in range(size)]
    return {unpack_msgpack(reader): unpack_msgpack(reader) for _ in range(size)}


def unpack_whole(data):
    reader = Reader(data)
    value = unpack_msgpack(reader)
    expect(reader.left() == 0, "bytes behind a msgpack value")
    return value


def read_concatenated(reader, count):
    sizes = read_u64s(reader, count)
    expect(all(sizes) and sum(sizes) <= 64 << 20, "sizes of values")
    data = Reader(read_bytes(reader, sum(sizes)))
    return [unpack_whole(data.take(size)) for size in sizes]


def read_values(reader, count):
    tag = reader.u8()
    if tag < 0x50:
        return read_numbers(reader, tag, count)
    if tag <= 0x52:
        return read_booleans(reader, tag, count)
    if tag == 0x61:
        return read_concatenated(reader, count)
    expect(tag == 0x60, f"tag {tag:#x}")
    entry_count = reader.varint()
    expect(1 <= entry_count <= count, "a dictionary's size")
    codes = read_u64s(reader, count)
    entries = read_concatenated(reader, entry_count)
    expect(max(codes) < entry_count, "a code beyond the dictionary")
    return [entries[code] for code in codes]


def read_times(reader, count):
    tag = reader.u8()
    expect(tag < 0x50, f"tag {tag:#x}")
    return read_numbers(reader, tag, count)


def read_senders(reader, count):
    expect(reader.u8() == 0x70, "tag of senders")
    names = [None] + [bytes(reader.take(reader.u8())).decode("utf-8") for _ in range(reader.varint())]
    return [names[code] for code in read_u64s(reader, count)]


def read_column(data, read, count):
    reader = Reader(data)
    values = read(reader, count)
    expect(reader.left() == 0, "bytes behind a column")
    return values


# ---- section 5: segments

class Segment:
    def __init__(self, data):
        self.data = memoryview(data)
        expect(len(data) >= 32 + 128, "no segment")
        magic, header_sum, version, flags, self.id = struct.unpack_from("<8sQIIQ", data)
        expect(magic == b"CDB-SEGM" and header_sum == checksum(self.data[16:32], 0), "the header")
        expect(version == 1 and flags == 0, f"segment version {version}, flags {flags:#x}")
        self.read_footer()

    def read_footer(self):
        at = len(self.data) - 128
        (magic, footer_sum, version, flags, segment_id, size, self.blocks_end, self.index_count, index_sum,
         aggregates_sum, directory_size, directory_sum, self.series_count,
         self.point_count) = struct.unpack_from("<8sQIIQQQQQQQQQQ", self.data, at)
        expect(magic == b"CDB-SEND" and footer_sum == checksum(self.data[at + 16:], self.id), "the footer")
        expect(version == 1 and flags == 0, f"segment version {version}, flags {flags:#x}")
        index_at = (self.blocks_end + 7) // 8 * 8
        aggregates_at = index_at + 32 * self.index_count
        directory_at = aggregates_at + 40 * self.index_count
        expect(segment_id == self.id and size == len(self.data) and directory_at + directory_size == at,
               "the footer's places")
        self.index = self.data[index_at:aggregates_at]
        self.aggregates = self.data[aggregates_at:directory_at]
        self.directory = self.data[directory_at:at]
        expect(index_sum == checksum(self.index, self.id), "the block index")
        expect(aggregates_sum == checksum(self.aggregates, self.id), "the aggregates")
        expect(directory_sum == checksum(self.directory, self.id), "the series directory")

    def series(self):
        """(id, first index, count, logical bytes, time first, time last, [(offset, size) of the blocks])"""
        table_at = len(self.directory) - (self.series_count + 127) // 128 * 32
        reader, offset, entry, series = Reader(self.directory[:table_at]), 32, 0, 0
        for number_of_series in range(self.series_count):
            if number_of_series % 128 == 0:
                series, blocks_at, index_at, page_at = struct.unpack_from(
                    "<QQQQ", self.directory, table_at + number_of_series // 128 * 32)
                expect((blocks_at, index_at, page_at) == (offset, entry, reader.at), "the page table")
            series += reader.varint()
            first_index, count, logical_bytes = reader.varint(), reader.varint() + 1, reader.varint()
            time_first = reader.u64()
            time_last = (time_first + reader.zigzag()) & MASK
            blocks, size = reader.varint() + 1, reader.varint()
            places = [(offset, size)]
            if blocks > 1:
                places = [self.position(i) for i in range(entry, entry + blocks)]
                entry += blocks
            offset += size
            yield series, first_index, count, logical_bytes, double(time_first), double(time_last), places
        expect(reader.left() == 0 and offset == self.blocks_end and entry == self.index_count, "the directory's end")

    def position(self, entry):
        word = struct.unpack_from("<Q", self.index, 32 * entry + 24)[0]
        return word & ((1 << 38) - 1), word >> 38

    def block(self, offset, size):
        """(series, first index, times, values, senders)"""
        data = self.data[offset:offset + size]
        expect(len(data) == size, "a block's position")
        expect(struct.unpack_from("<Q", data)[0] == checksum(data[8:], self.id * 0x9e3779b97f4a7c15 + offset),
               f"the block at offset {offset}")
        reader = Reader(data[8:])
        expect(reader.varint() == reader.left(), "a block's size")
        series, first_index, count = reader.varint(), reader.varint(), reader.varint()
        times_size, values_size = reader.varint(), reader.varint()
        times = read_column(reader.take(times_size), read_times, count)
        values = read_column(reader.take(values_size), read_values, count)
        senders = read_column(reader.take(reader.left()), read_senders, count) if reader.left() else [None] * count
        return series, first_index, times, values, senders

    def check_index(self, entry, first_index, times, values):
        index, first, last, _ = struct.unpack_from("<QddQ", self.index, 32 * entry)
        expect((index, first, last) == (first_index, times[0], times[-1]), f"entry {entry} of the block index")
        low, high, _, _, count, _, valid, _ = struct.unpack_from("<ddQQIBBH", self.aggregates, 40 * entry)
        if valid:
            expect((low, high, count) == (float(min(values)), float(max(values)), len(values)),
                   f"entry {entry} of the aggregates")

    def points(self):
        """(series, index, time, value, sender)"""
        total, entry = 0, 0
        for series, first_index, count, _, time_first, time_last, places in self.series():
            next_index, last = first_index, None
            for offset, size in places:
                found, index, times, values, senders = self.block(offset, size)
                expect((found, index) == (series, next_index), f"the block at offset {offset}: its series and index")
                expect(last is not None or times[0] == time_first, "the first time")
                if len(places) > 1:
                    self.check_index(entry, index, times, values)
                    entry += 1
                for i, time in enumerate(times):
                    expect(last is None or time >= last, "times decrease")
                    yield series, next_index + i, time, values[i], senders[i]
                    last = time
                next_index += len(times)
            expect(next_index == first_index + count and last == time_last, f"the end of series {series}")
            total += count
        expect(total == self.point_count, "the points' count")


def read_points(path):
    with open(path, "rb") as file:
        return Segment(file.read()).points()


def line(series, index, time, value, sender):
    point = {"series": series, "index": index, "t": time, "d": value}
    if sender is not None:
        point["o"] = sender
    return json.dumps(point, ensure_ascii=False)


def main(paths):
    if not paths or paths[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if paths else 2
    for path in paths:
        try:
            for point in read_points(path):
                print(line(*point))
        except (Damaged, OSError, struct.error) as error:
            print(f"read_database: {path}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
