# Makes test/golden/formats.json: random blocks of each weight format and what they mean, and random values and the bytes they become, by programs that
# share no code with onebit: gguf-py's quants (pip install gguf numpy) for ggml's formats, and a few lines of numpy here, written from the published
# layouts, for PrismML's and BitNet's.
#   python3 bench/golden/formats-golden.py > test/golden/formats.json
import base64
import json

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import quants

BLOCKS = 4
random = np.random.default_rng(20)
text = lambda array: base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def halves(count):
    """Scales of either sign, some subnormal."""
    values = random.standard_normal(count) * np.array([1, 1e-3, 1e-6, 30])[np.arange(count) % 4]
    return values.astype(np.float16)


def known(name, size, scales_at):
    """Formats of gguf-py: decoding of random blocks; encoding where it has an encoder."""
    kind = Type[name]
    block, size_bytes = gguf.GGML_QUANT_SIZES[kind]
    raw = random.integers(0, 256, (BLOCKS, size_bytes), dtype=np.uint8)
    for at in scales_at:
        raw[:, at : at + 2] = halves(BLOCKS).view(np.uint8).reshape(BLOCKS, 2)
    decoded = quants.dequantize(raw, kind).astype(np.float32)
    row = {"bytes": text(raw), "weights": text(decoded)}
    values = random.standard_normal((BLOCKS, block)) * np.array([[1], [1e-3], [40], [0]])
    values = values.astype(np.float32) + np.float32(0)  # no negative zeros: which of two zeros is the least is a matter of taste
    try:
        row |= {"values": text(values), "encoded": text(quants.quantize(values, kind))}
    except NotImplementedError:
        row.pop("values", None)
    return row


def digits(byte, n):
    return (((byte.astype(int) * 3**n) & 255) * 3) >> 8


def ptq1_0():
    raw = random.integers(0, 256, (BLOCKS, 28), dtype=np.uint8)
    raw[:, 26:28] = halves(BLOCKS).view(np.uint8).reshape(BLOCKS, 2)
    codes = np.zeros((BLOCKS, 128), int)
    for m in range(16):
        for n in range(5):
            codes[:, 16 * n + m] = digits(raw[:, m], n)
    for m in range(8):
        for n in range(5):
            codes[:, 80 + 8 * n + m] = digits(raw[:, 16 + m], n)
    for h in range(2):
        for n in range(4):
            codes[:, 120 + 2 * n + h] = digits(raw[:, 24 + h], n)
    d = raw[:, 26:28].copy().view(np.float16).astype(np.float32)
    return {"bytes": text(raw), "weights": text((codes - 1).astype(np.float32) * d)}


def two_bit(block):
    """Q2_0 and its 128-wide kin: the scale, then two bits a weight."""
    raw = random.integers(0, 256, (BLOCKS, 2 + block // 4), dtype=np.uint8)
    raw[:, :2] = halves(BLOCKS).view(np.uint8).reshape(BLOCKS, 2)
    codes = (raw[:, 2:, None] >> np.array([0, 2, 4, 6], np.uint8)) & 3
    d = raw[:, :2].copy().view(np.float16).astype(np.float32)
    return {"bytes": text(raw), "weights": text((codes.reshape(BLOCKS, block).astype(np.float32) - 1) * d)}


def i2_s(group):
    """Codes 0 to 2, four to a byte from the top, a group's quarters side by side; one float32 scale in 32 bytes behind all."""
    codes = random.integers(0, 3, (BLOCKS, 4, group // 4), dtype=np.uint8)
    packed = (codes << np.array([6, 4, 2, 0], np.uint8)[None, :, None]).sum(axis=1).astype(np.uint8)
    scale = np.float32(1.2345678)
    tail = np.zeros(32, np.uint8)
    tail[:4] = np.frombuffer(scale.tobytes(), np.uint8)
    weights = (codes.reshape(BLOCKS, group).astype(np.float32) - 1) * scale
    return {"bytes": text(np.concatenate([packed.ravel(), tail])), "weights": text(weights)}


formats = {
    "q4_0": known("Q4_0", 18, [0]),
    "q4_1": known("Q4_1", 20, [0, 2]),
    "q5_0": known("Q5_0", 22, [0]),
    "q5_1": known("Q5_1", 24, [0, 2]),
    "q8_0": known("Q8_0", 34, [0]),
    "q4_k": known("Q4_K", 144, [0, 2]),
    "q5_k": known("Q5_K", 176, [0, 2]),
    "q6_k": known("Q6_K", 210, [208]),
    "tq1_0": known("TQ1_0", 54, [52]),
    "tq2_0": known("TQ2_0", 66, [64]),
    "bf16": known("BF16", 2, [0]),
    "f16": known("F16", 2, [0]),
    "ptq1_0": ptq1_0(),
    "pq2_0": two_bit(128),
    "q2_0": two_bit(64),
    "q2_0-128": two_bit(128),
    "i2_s": i2_s(128),
    "i2_s-64": i2_s(64),
    "iq4_nl": known("IQ4_NL", 18, [0]),
}
made_by = f"bench/golden/formats-golden.py, gguf {__import__('importlib.metadata').metadata.version('gguf')}, numpy {np.__version__}"
print(json.dumps({"madeBy": made_by, "formats": formats}, indent=1))
