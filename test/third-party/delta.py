"""Deltas for Leeward, encoded as docs/delta-format.md says, with Python's standard library alone.

An extent is a pair: where it begins in the volume, and either its bytes or, as an int, how many zeros it has. Extents
ascend, do not overlap, and consist of whole pages of 512 bytes; one delta has at most 16 MiB of such bytes.
"""
import gzip
import hashlib
import struct
import zlib

PAGE = 512
FRAME = 1 << 20
CONTENT_MAX = 16 << 20
EXTENTS_MAX = 16_384
NO_DIGEST = "0" * 64


def length_of(what):
    return what if isinstance(what, int) else len(what)


def digest_of(head, extents):
    runs, content = [], hashlib.sha256()  # a run is [kind, offset, length]
    for offset, what in extents:
        if isinstance(what, int):
            pieces = [(1, what, b"")]
        else:
            pages = (what[at : at + PAGE] for at in range(0, len(what), PAGE))
            pieces = ((1, PAGE, b"") if page == bytes(PAGE) else (0, PAGE, page) for page in pages)
        for kind, length, page in pieces:
            content.update(page)
            if runs and runs[-1][0] == kind and runs[-1][1] + runs[-1][2] == offset:
                runs[-1][2] += length
            else:
                runs.append([kind, offset, length])
            offset += length
    table = b"".join(struct.pack("<BQQ", *run) for run in runs)
    volume, name = head["volume"].encode(), head["marker"].encode()
    return hashlib.sha256(
        b"leeward delta 1\n"
        + struct.pack("<H", len(volume)) + volume
        + struct.pack("<IIIQ", head["generation"], head["term"], head["number"], head["volumeBytes"])
        + struct.pack("<BH", 1 if name else 0, len(name)) + name
        + struct.pack("<Q", head["timeMs"] if name else 0)
        + bytes.fromhex(head["predecessor"])
        + struct.pack("<I", len(runs))
        + hashlib.sha256(table).digest()
        + content.digest()
    ).hexdigest()


def encode_delta(head, extents):
    """The delta's bytes, and its digest. `head["marker"]` is empty where the delta is no recovery point."""
    literal = b"".join(what for _, what in extents if not isinstance(what, int))
    version = 2 if head["number"] == 1 and head["predecessor"] != NO_DIGEST else 1
    frames, stored = b"", []
    for at in range(0, len(literal), FRAME):
        raw = literal[at : at + FRAME]
        packed = gzip.compress(raw, 6, mtime=0)
        if pays := len(packed) < len(raw):
            version = 2
        stored.append(packed if pays else raw)
        frames += struct.pack("<B3xIII", 2 if pays else 0, zlib.crc32(stored[-1]), len(stored[-1]), len(raw))
    table = b"".join(
        struct.pack("<QQB7x", offset, length_of(what), isinstance(what, int)) for offset, what in extents
    )
    volume, name = head["volume"].encode(), head["marker"].encode()
    texts = volume + name
    texts += bytes(-(160 + len(texts)) % 8)
    head_bytes = 160 + len(texts) + len(frames) + len(table)
    digest = digest_of(head, extents)
    prologue = struct.pack(
        "<8sHHIQIIIIIHHQ32s32sB7xQQ12xI",
        b"\x89LWD\r\n\x1a\n", version, version, head_bytes, head_bytes + sum(map(len, stored)),
        head["generation"], head["term"], head["number"], len(stored), len(extents), len(volume), len(name),
        head["volumeBytes"], bytes.fromhex(head["predecessor"]), bytes.fromhex(digest),
        1 if name else 0, head["timeMs"] if name else 0, head["timeMs"], 0,
    )
    whole = prologue + texts + frames + table
    crc = struct.pack("<I", zlib.crc32(whole))
    return whole[:156] + crc + whole[160:] + b"".join(stored), digest
