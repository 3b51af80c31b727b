"""Hashes of ranges and lists of them for Leeward, as docs/range-format.md says. Python's standard library."""
import hashlib
import struct
import zlib

BLOCK = 4096
RANGE_BLOCKS = 1024
SEGMENT_RANGES = 1024
ZEROS = bytes(BLOCK)
ZERO_HASH = bytes(16)


def hash_of_block(block):
    return ZERO_HASH if block == ZEROS[: len(block)] else hashlib.sha256(block).digest()[:16]


def encode_range_list(of, block_hashes):
    """The list of one state: `of` has volume, generation, number, volumeBytes and digest; 16 bytes for each block."""
    volume = of["volume"].encode()
    fields = (1, 1, len(volume), 0, of["generation"], of["number"], of["volumeBytes"], bytes.fromhex(of["digest"]))
    head = (b"\x89LWR\r\n\x1a\n" + struct.pack("<HHHHIIQ32s", *fields) + volume).ljust(508, b"\0")
    encoded = head + struct.pack("<I", zlib.crc32(head))
    step = RANGE_BLOCKS * 16
    hashes = [range_hash(block_hashes[at : at + step]) for at in range(0, len(block_hashes), step)]
    for at in range(0, len(hashes), SEGMENT_RANGES):
        segment = b"".join(hashes[at : at + SEGMENT_RANGES])
        encoded += segment + struct.pack("<I", zlib.crc32(segment))
    return encoded


def range_hash(block_hashes):
    return hashlib.sha256(block_hashes).digest() if any(block_hashes) else bytes(32)
