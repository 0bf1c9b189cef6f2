"""Compression by libraries that Sluice does not use: what it reads and writes has to agree with them."""
import bz2
import gzip

import pyarrow


def cramjam():
    """Google's framing format, checksums and all."""
    from cramjam import snappy  # absent without `tools/deps test`

    return snappy


def compressed(data, codec):
    if codec == "gzip":
        return gzip.compress(data)
    if codec == "bzip2":
        return bz2.compress(data)
    if codec == "snappy":
        return bytes(cramjam().compress(data))
    return pyarrow.compress(data, codec=codec, asbytes=True)


def decompressed(data, codec):
    if codec == "gzip":
        return gzip.decompress(data)
    if codec == "bzip2":
        return bz2.decompress(data)
    if codec == "snappy":
        return bytes(cramjam().decompress(data))
    with pyarrow.CompressedInputStream(pyarrow.BufferReader(data), codec) as stream:
        return stream.read()
