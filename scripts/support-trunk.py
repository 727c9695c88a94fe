"""Makes models/support-trunk.gguf, the 1-bit word vectors of support models, from general text. Debian's python3-numpy, python3-scipy, python3-sklearn.

    python3 scripts/support-trunk.py DATA models/support-trunk.gguf

DATA has lm/ (sgd-train.txt, taskmaster4.txt, wordnet-glosses.txt, wikisplit-*.tsv, wikitext2-valid-tokens.txt, childrens-books/) and intents/
(clinc150-train.csv, hwu64-train.csv, bitext-customer-service-train.csv: their texts, not their labels; never BANKING77, on which few-shot learning is
measured). Words that lie within five of each other are counted, nearer ones more; positive pointwise mutual information with the context's
probability to the power 0.75; the 256 first singular vectors times the square root of their values; rows of length 1 less the mean row; the signs.
"""
import csv
import glob
import re
import struct
import sys
import unicodedata
from collections import Counter

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

WIDTH, WINDOW, WORDS, LEAST = 256, 5, 22000, 3
WORD = re.compile(r"[^\W_]+(?:'[^\W\d_]+)?|[?!$£€¥%]")


def words(text):
    return WORD.findall(unicodedata.normalize("NFKC", text).replace("’", "'").lower())


def texts(data):
    for name in ("sgd-train.txt", "taskmaster4.txt"):
        for line in open(f"{data}/lm/{name}", encoding="utf-8"):
            yield re.sub(r"^(User|Agent|Assistant): ", "", line)
    yield from open(f"{data}/lm/wordnet-glosses.txt", encoding="utf-8")
    for path in sorted(glob.glob(f"{data}/lm/wikisplit-*.tsv")):
        for line in open(path, encoding="utf-8"):
            yield line.split("\t")[0]
    yield from open(f"{data}/lm/wikitext2-valid-tokens.txt", encoding="utf-8")
    for path in sorted(glob.glob(f"{data}/lm/childrens-books/*.txt")):
        yield from re.split(r"(?<=[.!?])\s+", open(path, encoding="utf-8", errors="ignore").read())
    for name in ("clinc150-train", "hwu64-train", "bitext-customer-service-train"):
        for row in csv.DictReader(open(f"{data}/intents/{name}.csv", encoding="utf-8", newline="")):
            yield row["text"]


def vectors(sentences, vocabulary):
    index = {word: i for i, word in enumerate(vocabulary)}
    n = len(vocabulary)
    flat = np.array([i for s in sentences for i in [index.get(w, -1) for w in s] + [-2] * WINDOW], dtype=np.int32)
    counts = sp.csr_matrix((n, n), dtype=np.float32)
    for distance in range(1, WINDOW + 1):
        a, b = flat[:-distance], flat[distance:]
        both = (a >= 0) & (b >= 0)
        part = sp.csr_matrix((np.full(both.sum(), 1 / distance, dtype=np.float32), (a[both], b[both])), shape=(n, n))
        counts = counts + part + part.T
    row = np.asarray(counts.sum(1)).ravel()
    context = row**0.75 / (row**0.75).sum()
    counts = counts.tocoo()
    information = np.log(counts.data / (row[counts.row] * context[counts.col]))
    kept = information > 0
    matrix = sp.csr_matrix((information[kept], (counts.row[kept], counts.col[kept])), shape=(n, n))
    u, s, _ = randomized_svd(matrix, WIDTH, n_iter=3, random_state=0)
    v = u * np.sqrt(s)
    v /= np.linalg.norm(v, axis=1, keepdims=True) + 1e-12
    return v - v.mean(0)


def word_hash(word):
    """src/tasks/support/words.ts, wordHash."""
    mask = 0xFFFFFFFF
    units = struct.unpack(f"<{len(word.encode('utf-16-le')) // 2}H", word.encode("utf-16-le"))
    h = ((0x811C9DC5 ^ 1) * 0x01000193) & mask
    for unit in units:
        h = ((h ^ unit) * 0x01000193) & mask
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & mask
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & mask
    return h ^ (h >> 16)


def write_gguf(path, hashes, weights, signs):
    text = lambda s: struct.pack("<Q", len(s)) + s.encode()
    string = lambda k, v: text(k) + struct.pack("<I", 8) + text(v)
    array = lambda k, kind, values: text(k) + struct.pack("<IIQ", 9, kind, len(values)) + values.tobytes()
    entries = [
        string("general.architecture", "onebit-support-trunk"),
        string("general.name", "support-trunk"),
        string("general.license", "CC-BY-SA-4.0"),
        array("support.trunk.hashes", 4, hashes.astype("<u4")),
        array("support.trunk.weights", 2, weights.astype("<u2")),
    ]
    header = b"GGUF" + struct.pack("<IQQ", 3, 1, len(entries)) + b"".join(entries)
    header += text("trunk.weight") + struct.pack("<IQQIQ", 2, WIDTH, len(hashes), 41, 0)
    header += b"\0" * (-len(header) % 32)
    bits = np.packbits(signs.reshape(-1, 128), axis=1, bitorder="little")
    scale = np.tile(np.frombuffer(struct.pack("<e", 1.0), dtype=np.uint8), (len(bits), 1))
    data = np.concatenate([scale, bits], axis=1).tobytes()
    with open(path, "wb") as file:
        file.write(header + data + b"\0" * (-len(data) % 32))


def main(data, path):
    sentences = [s for s in (words(t) for t in texts(data)) if len(s) > 1]
    counts = Counter(w for s in sentences for w in s)
    total = sum(counts.values())
    vocabulary = [w for w, c in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if c >= LEAST][: WORDS + 8000]
    v = vectors(sentences, vocabulary)[:WORDS]
    share = np.array([counts[w] / total for w in vocabulary[:WORDS]])
    weights = np.round(65535 * 1e-3 / (1e-3 + share))
    hashes = np.array([word_hash(w) for w in vocabulary[:WORDS]], dtype=np.uint32)
    first = np.unique(hashes, return_index=True)[1]
    kept = np.sort(first)  # a word whose hash another, commoner word has
    write_gguf(path, hashes[kept], weights[kept], v[kept] >= 0)
    print(f"{total} words of {len(sentences)} sentences, {len(kept)} vectors of {WIDTH} signs -> {path}")


main(*sys.argv[1:])
