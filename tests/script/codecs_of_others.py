"""Compression by libraries that Sluice does not use: what it reads and writes has to agree with them."""
import bz2
import gzip

import pyarrow

SNAPPY_HEADER = b"\xff\x06\x00\x00sNaPpY"


def compressed(data, codec):
    if codec == "gzip":
        return gzip.compress(data)
    if codec == "bzip2":
        return bz2.compress(data)
    if codec == "snappy":
        return framed_snappy(data)
    return pyarrow.compress(data, codec=codec, asbytes=True)


def decompressed(data, codec):
    if codec == "gzip":
        return gzip.decompress(data)
    if codec == "bzip2":
        return bz2.decompress(data)
    if codec == "snappy":
        return unframed_snappy(data)
    with pyarrow.CompressedInputStream(pyarrow.BufferReader(data), codec) as stream:
        return stream.read()


def framed_snappy(data):
    """Google's framing format, one compressed chunk for each 32 KiB."""
    out = SNAPPY_HEADER
    for at in range(0, len(data), 32768):
        chunk = data[at : at + 32768]
        body = masked_crc32c(chunk).to_bytes(4, "little") + pyarrow.compress(chunk, codec="snappy", asbytes=True)
        out += b"\x00" + len(body).to_bytes(3, "little") + body
    return out


def unframed_snappy(data):
    assert data.startswith(SNAPPY_HEADER)
    out, at = b"", 0
    while at < len(data):
        kind, length = data[at], int.from_bytes(data[at + 1 : at + 4], "little")
        body = data[at + 4 : at + 4 + length]
        at += 4 + length
        if kind in (0, 1):
            chunk = body[4:] if kind == 1 else pyarrow.decompress(body[4:], varint(body[4:]), "snappy", asbytes=True)
            assert masked_crc32c(chunk) == int.from_bytes(body[:4], "little")
            out += chunk
    return out


def varint(data):
    value = 0
    for shift, byte in enumerate(data[:5]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            break
    return value


def masked_crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
