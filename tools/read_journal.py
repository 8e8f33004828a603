#!/usr/bin/python3
"""Prints what is in a journal or a manifest.

An independent reader, written from docs/FORMAT.md alone (sections 3 and 4): it shares no code with the engine, so that
the two keep each other and the document honest. usage: read_journal.py FILE [--clean-end OFFSET]
Exit code 0; 1 = damaged, with a line that says where; 2 = wrong usage.
"""
import ctypes
import math
import os
import re
import struct
import sys

JOURNAL_HEADER_BYTES = 4096
FRAME_HEADER = struct.Struct("<QQIHHQQIIQQQdd")
CONTINUES = 1
FRAME_MAGIC = 0x4D415246
FRAME_BYTES_MAX = 64 << 20
POINTS_MAX = 16 << 20
PAYLOAD_HEADER = struct.Struct("<BBBBBB2sIIII")
POINTS, TOMBSTONE = 1, 2
DECIMAL, DOUBLE = 1, 2
NUMBERS, BOOLEANS, MSGPACK = 1, 2, 3
DECIMAL_MAX = (1 << 52) - 1
MASK = (1 << 64) - 1

xxhash = ctypes.CDLL("libxxhash.so.0")
xxhash.XXH3_64bits_withSeed.restype = ctypes.c_uint64
xxhash.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]


def checksum(data, seed=0):
    return xxhash.XXH3_64bits_withSeed(bytes(data), len(data), seed)


class Damaged(Exception):
    pass


def require(condition, what):
    if not condition:
        raise Damaged(what)


def padded(size):
    return (size + 7) // 8 * 8


# ---- msgpack, checked but not converted ----

def msgpack_skip(data, at, depth=0):
    """The offset behind the value at `at`."""
    require(depth < 64 and at < len(data), "a value is cut off or too deep")
    byte = data[at]
    at += 1

    def unsigned(size):
        nonlocal at
        require(at + size <= len(data), "a value is cut off")
        at += size
        return int.from_bytes(data[at - size:at], "big")

    def text(size):
        nonlocal at
        require(at + size <= len(data), "a string is cut off")
        try:
            data[at:at + size].decode("utf-8")
        except UnicodeDecodeError:
            raise Damaged("a string is not UTF-8") from None
        at += size

    def values(count, is_map):
        nonlocal at
        for _ in range(count):
            if is_map:
                require(at < len(data) and (0xA0 <= data[at] <= 0xBF or 0xD9 <= data[at] <= 0xDB),
                        "a key is no string")
                at = msgpack_skip(data, at, depth + 1)
            at = msgpack_skip(data, at, depth + 1)

    if byte <= 0x7F or byte >= 0xE0 or byte in (0xC0, 0xC2, 0xC3):
        pass
    elif byte <= 0x8F:
        values(byte & 0x0F, True)
    elif byte <= 0x9F:
        values(byte & 0x0F, False)
    elif byte <= 0xBF:
        text(byte & 0x1F)
    elif byte == 0xCB:
        require(math.isfinite(struct.unpack(">d", unsigned(8).to_bytes(8, "big"))[0]), "a number is not finite")
    elif 0xCC <= byte <= 0xCF:
        unsigned(1 << (byte - 0xCC))
    elif 0xD0 <= byte <= 0xD3:
        unsigned(1 << (byte - 0xD0))
    elif 0xD9 <= byte <= 0xDB:
        text(unsigned(1 << (byte - 0xD9)))
    elif 0xDC <= byte <= 0xDD:
        values(unsigned(2 << (byte - 0xDC)), False)
    elif 0xDE <= byte <= 0xDF:
        values(unsigned(2 << (byte - 0xDE)), True)
    else:
        raise Damaged(f"msgpack byte {byte:#04x}")
    return at


# ---- points ----

class Numbers:
    def __init__(self, kind, exponent, data):
        require(kind in (DECIMAL, DOUBLE) and exponent <= (18 if kind == DECIMAL else 0), "unknown kind of numbers")
        self.kind, self.exponent, count = kind, exponent, len(data) // 8
        self.u64s = struct.unpack(f"<{count}Q", data)
        self.values = struct.unpack(f"<{count}{'q' if kind == DECIMAL else 'd'}", data)
        if kind == DOUBLE:
            require(all(math.isfinite(value) for value in self.values), "a number is not finite")
        elif exponent:
            require(all(abs(value) <= DECIMAL_MAX for value in self.values), "a decimal is out of range")

    def double(self, i):
        value = self.values[i]
        return float(value) / float(10 ** self.exponent) if self.kind == DECIMAL else value

    def text(self, i):
        return f"{self.values[i]}e-{self.exponent}" if self.kind == DECIMAL else f"f{self.u64s[i]:016x}"


def read_ends(data, size):
    ends = struct.unpack(f"<{len(data) // 4}I", data)
    starts = (0,) + ends[:-1]
    require(all(start < end for start, end in zip(starts, ends)) and ends[-1] == size, "ends of values out of order")
    return list(zip(starts, ends))


def read_names(data, count):
    names, at = [], 0
    while at < len(data):
        size = data[at]
        require(size > 0 and at + 1 + size <= len(data), "broken table of senders")
        names.append(data[at + 1:at + 1 + size].decode("utf-8"))
        at += 1 + size
    require(len(names) == count, "broken table of senders")
    return [""] + names


def points_of(payload, count, first_time, last_time):
    """One (time, value, sender) of text for each point."""
    require(len(payload) >= PAYLOAD_HEADER.size, "payload too short")
    (time_kind, time_exponent, form, number_kind, number_exponent, has_senders, reserved, msgpack_bytes, name_count,
     name_bytes, reserved2) = PAYLOAD_HEADER.unpack_from(payload)
    require(reserved == b"\0\0" and reserved2 == 0 and has_senders <= 1, "payload header makes no sense")
    require(form in (NUMBERS, BOOLEANS, MSGPACK), "unknown form of values")
    require(form == NUMBERS or (number_kind, number_exponent) == (0, 0), "a kind of numbers without numbers")
    require((form == MSGPACK) == (msgpack_bytes > 0), "msgpack bytes do not fit the form")
    require(has_senders or (name_count, name_bytes) == (0, 0), "names without senders")
    at = PAYLOAD_HEADER.size

    def column(size):
        nonlocal at
        data = payload[at:at + size]
        require(len(data) == size and not any(payload[at + size:at + padded(size)]), "a column is cut or badly padded")
        at += padded(size)
        return data

    times = Numbers(time_kind, time_exponent, column(8 * count))
    values = column(count * {NUMBERS: 8, BOOLEANS: 1, MSGPACK: 4}[form])
    packed = column(msgpack_bytes)
    names = read_names(column(name_bytes), name_count)
    senders = struct.unpack(f"<{count}H", column(2 * count)) if has_senders else (0,) * count
    require(at == len(payload), "columns do not fill the payload")
    seconds = [times.double(i) for i in range(count)]
    require(all(a <= b for a, b in zip(seconds, seconds[1:])), "times decrease")
    require((seconds[0], seconds[-1]) == (first_time, last_time), "times differ from the frame's header")
    require(all(sender < len(names) for sender in senders), "a sender is not in the table")

    if form == NUMBERS:
        numbers = Numbers(number_kind, number_exponent, values)
        texts = [numbers.text(i) for i in range(count)]
    elif form == BOOLEANS:
        require(all(value <= 1 for value in values), "a boolean is neither 0 nor 1")
        texts = ["true" if value else "false" for value in values]
    else:
        texts = []
        for start, end in read_ends(values, msgpack_bytes):
            require(msgpack_skip(packed[:end], start) == end, "bytes after a value")
            texts.append("msgpack " + packed[start:end].hex())
    return [(times.text(i), texts[i], names[senders[i]]) for i in range(count)]


# ---- journal ----

class Frame:
    def __init__(self, data, offset, nonce):
        """Raises Damaged when there is no whole frame header of this journal at the offset."""
        require(offset + FRAME_HEADER.size <= len(data), "the end of the file")
        (header_sum, self.payload_sum, magic, self.kind, flags, self.series, self.first, self.count, size,
         self.group, self.synced_to, self.logical, self.time_first, self.time_last) = FRAME_HEADER.unpack_from(data, offset)
        require(magic == FRAME_MAGIC, f"frame magic {magic:08x}")
        found = checksum(data[offset + 8:offset + FRAME_HEADER.size], (nonce + offset * 0x9E3779B97F4A7C15) & MASK)
        require(found == header_sum, f"header checksum {found:016x}, expected {header_sum:016x}")
        self.offset, self.end, self.nonce = offset, offset + FRAME_HEADER.size + size, nonce
        require(self.end <= len(data) and size % 8 == 0 and self.end - offset <= FRAME_BYTES_MAX, "a wrong size")
        require(self.synced_to <= offset, "synced to behind itself")
        require((self.kind == POINTS and 0 < self.count <= POINTS_MAX) or
                (self.kind == TOMBSTONE and self.count == 0 and size == 0), "a wrong kind or count")
        require(flags & ~CONTINUES == 0, f"unknown flags {flags:#x}")
        self.continues = flags & CONTINUES
        self.payload = data[offset + FRAME_HEADER.size:self.end]

    def verify_payload(self):
        found = checksum(self.payload, self.nonce)
        require(found == self.payload_sum, f"payload checksum {found:016x}, expected {self.payload_sum:016x}")

    def show(self):
        times = struct.unpack("<QQ", struct.pack("<dd", self.time_first, self.time_last))
        print(f"frame offset {self.offset} kind {'points' if self.kind == POINTS else 'tombstone'} "
              f"series {self.series} first {self.first} count {self.count} payload {len(self.payload)} "
              f"group {self.group} synced {self.synced_to} logical {self.logical} times {times[0]:016x} {times[1]:016x}"
              f"{' continues' if self.continues else ''}")
        if self.kind == POINTS:
            points = points_of(self.payload, self.count, self.time_first, self.time_last)
            for i, (time, value, sender) in enumerate(points):
                print(f"  {self.first + i} time {time} value {value}" + (f" sender {sender}" if sender else ""))


def read_journal_header(data, path):
    require(len(data) >= JOURNAL_HEADER_BYTES, "too short for a journal")
    expected, version, flags, identity, nonce, size = struct.unpack_from("<QIIQQQ", data, 8)
    found = checksum(data[16:JOURNAL_HEADER_BYTES])
    require(found == expected, f"offset 0: header checksum {found:016x}, expected {expected:016x}")
    require(version in (1, 2) and flags & ~1 == 0, f"version {version}, flags {flags:#x} are of a newer ConnectorDB")
    name = re.fullmatch(r"journal-(\d+)", os.path.basename(path))
    require(name is None or int(name[1]) == identity, f"this is journal {identity}")
    require(size == len(data), f"{len(data)} bytes, expected {size}")
    print(f"journal {identity} version {version} flags {flags} nonce {nonce:016x} size {size}")
    return nonce


def read_unit(data, offset, nonce):
    """The frames of the unit at the offset, most often one; all of them are whole, or Damaged is raised."""
    unit = []
    while not unit or unit[-1].continues:
        frame = Frame(data, unit[-1].end if unit else offset, nonce)
        frame.verify_payload()
        require(not unit or frame.group == unit[0].group, "a unit of several groups")
        unit.append(frame)
    return unit


def show_journal(data, path, clean_end):
    nonce = read_journal_header(data, path)
    offset, found = JOURNAL_HEADER_BYTES, None
    limit = data if clean_end is None else data[:clean_end]
    while found is None:
        try:
            unit = read_unit(limit, offset, nonce)
        except Damaged as damaged:
            found = damaged
        else:
            for frame in unit:
                frame.show()
            offset = unit[-1].end
    print(f"end {offset}")
    if clean_end is not None:
        require(offset == clean_end, f"offset {offset}: closed with {clean_end} bytes; found {found}")
        return
    for later in range(offset, len(data) - FRAME_HEADER.size + 1, 8):
        if data[later + 16:later + 20] != b"FRAM":
            continue
        try:
            frame = Frame(data, later, nonce)
        except Damaged:
            continue
        require(frame.synced_to <= offset,
                f"offset {offset}: the frame at offset {later} was written when {frame.synced_to} bytes were on disk; "
                f"found {found}")


# ---- manifest ----

def show_manifest(data):
    require(len(data) >= 64, "too short for a manifest")
    expected, fmt, flags, size, version, next_file, journals, segments, deleted = struct.unpack_from(
        "<QIIQQQIIQ", data, 8)
    found = checksum(data[16:])
    require(found == expected, f"offset 8: checksum {found:016x}, expected {expected:016x}")
    require(fmt == 1 and flags == 0, f"format {fmt}, flags {flags:#x} are of a newer ConnectorDB")
    require(size == len(data) == 64 + 24 * journals + 24 * segments + 8 * deleted, "counts do not fit the file's size")
    print(f"manifest format {fmt} version {version} next file {next_file}")
    at = 64
    for _ in range(journals):
        print("journal {} clean end {} nonce {:016x}".format(*struct.unpack_from("<QQQ", data, at)))
        at += 24
    for _ in range(segments):
        print("segment {} size {} checksum {:016x}".format(*struct.unpack_from("<QQQ", data, at)))
        at += 24
    ids = struct.unpack_from(f"<{deleted}Q", data, at)
    require(all(a < b for a, b in zip(ids, ids[1:])), "deleted series are not in order")
    for series in ids:
        print(f"deleted {series}")


def main(arguments):
    clean_end = None
    if len(arguments) == 3 and arguments[1] == "--clean-end" and arguments[2].isdigit():
        clean_end = int(arguments[2])
    elif len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    path = arguments[0]
    with open(path, "rb") as file:
        data = file.read()
    try:
        if data[:8] == b"CDB-JRNL":
            show_journal(data, path, clean_end)
        elif data[:8] == b"CDB-MANI":
            show_manifest(data)
        else:
            raise Damaged("offset 0: neither a journal nor a manifest")
    except Damaged as damaged:
        sys.stdout.flush()
        print(f"{path}: damaged: {damaged}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
