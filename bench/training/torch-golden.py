"""Golden losses of 20 training steps for test/train-torch.test.ts. Usage: /usr/bin/python3 bench/training/torch-golden.py > test/golden/training/torch-losses.json
Weights, tokens and everything else are a function of the case, the same in the test (initialValue and token there)."""
import json
import platform
import numpy
import torch
from torch_model import Decoder, Optimizer, learning_rate_factor, loss_of

torch.set_num_threads(1)
STEPS = 20


def hashed(index, seed):
    """Murmur3's finaliser of index * 2654435761 + seed, as uint32."""
    with numpy.errstate(over="ignore"):
        h = index.astype(numpy.uint32) * numpy.uint32(2654435761) + numpy.uint32(seed)
        h ^= h >> numpy.uint32(16)
        h *= numpy.uint32(0x85EBCA6B)
        h ^= h >> numpy.uint32(13)
        h *= numpy.uint32(0xC2B2AE35)
        return h ^ (h >> numpy.uint32(16))


def initial(size, seed, scale):
    """Uniform in +-scale."""
    h = hashed(numpy.arange(numpy.prod(size)), seed).astype(numpy.float64)
    return torch.from_numpy((((h / 4294967296) * 2 - 1) * scale).astype(numpy.float32)).reshape(size)


def batch(case, step):
    """Sequences that mostly count upwards by one, with every fourth token at random."""
    rows, length, vocabulary = case["sequences"], case["length"], case["shape"]["vocabulary"]
    index = numpy.arange(rows * (length + 1)) + step * 100003
    h = hashed(index, 777)
    start = hashed(numpy.arange(rows) + step * 31, 5)[:, None] % numpy.uint32(vocabulary)
    counted = (start + numpy.arange(length + 1, dtype=numpy.uint32)) % numpy.uint32(vocabulary)
    tokens = numpy.where(h.reshape(rows, -1) % 4 == 0, (h.reshape(rows, -1) >> numpy.uint32(8)) % numpy.uint32(vocabulary), counted)
    tokens = torch.from_numpy(tokens.astype(numpy.int64))
    weights = torch.from_numpy((numpy.arange(rows * length) % 5 != 0).astype(numpy.float32)).reshape(rows, length)
    return tokens[:, :-1], tokens[:, 1:], weights


SHAPE = {
    "vocabulary": 96, "layers": 2, "width": 128, "heads": 4, "kvHeads": 2, "headSize": 32, "feedForwardWidth": 256,
    "contextLength": 64, "ropeBase": 10000, "normEpsilon": 1e-6, "tiedHead": True, "weights": "binary",
}
RECIPE = {
    "steps": STEPS, "optimizer": "muon", "learningRate": 0.01, "adamLearningRate": 0.002, "momentum": 0.95, "beta1": 0.9, "beta2": 0.95,
    "epsilon": 1e-8, "weightDecay": 0, "warmupSteps": 3, "schedule": "constant", "decayShare": 0.2, "fullPrecisionShare": 0.3,
    "clipNorm": 1, "initDeviation": 0.02,
}
CASES = {
    "binary, Muon, full precision first": (SHAPE, RECIPE),
    "binary, AdamW from the start, untied": (
        SHAPE | {"tiedHead": False},
        RECIPE | {"optimizer": "adamw", "learningRate": 0.002, "weightDecay": 0.1, "fullPrecisionShare": 0, "schedule": "cosine", "clipNorm": 0.5},
    ),
    "ternary, Muon": (SHAPE | {"weights": "ternary"}, RECIPE | {"fullPrecisionShare": 0}),
    "float, AdamW, one key head": (
        SHAPE | {"weights": "float", "kvHeads": 1},
        RECIPE | {"optimizer": "adamw", "learningRate": 0.002, "clipNorm": 0},
    ),
    "llama, float, Muon": (SHAPE | {"architecture": "llama", "weights": "float"}, RECIPE),
    "qwen2, binary, Muon, full precision first": (SHAPE | {"architecture": "qwen2"}, RECIPE),
    "bitnet with SiLU, float, AdamW": (
        SHAPE | {"architecture": "bitnet", "weights": "float", "tiedHead": False},
        RECIPE | {"optimizer": "adamw", "learningRate": 0.002},
    ),
    "bitnet-b1.58, ternary, Muon": (SHAPE | {"architecture": "bitnet-b1.58", "weights": "ternary"}, RECIPE | {"fullPrecisionShare": 0.5}),
    "gemma3, ternary, Muon, a window": (SHAPE | {"architecture": "gemma3", "weights": "ternary", "window": 9}, RECIPE),
    "gemma3, float, AdamW, local and global layers": (
        SHAPE | {"architecture": "gemma3", "weights": "float", "window": 9, "layers": 6, "width": 64, "headSize": 16, "feedForwardWidth": 96, "ropeBase": 1000000},
        RECIPE | {"optimizer": "adamw", "learningRate": 0.002},
    ),
}

results = []
for name, (shape, recipe) in CASES.items():
    case = {"name": name, "shape": shape, "recipe": recipe, "sequences": 8, "length": 40}
    model = Decoder(shape)
    with torch.no_grad():
        for seed, (key, parameter) in enumerate(model.named.items()):
            if parameter.dim() == 2:
                parameter.copy_(initial(parameter.shape, seed + 1, 0.08))
            else:
                parameter.copy_((0 if key.endswith("bias") else 1) + initial(parameter.shape, seed + 1, 0.1))
    optimizer = Optimizer(model, recipe)
    losses, norms = [], []
    for step in range(STEPS):
        model.quantized = step / STEPS >= recipe["fullPrecisionShare"]
        tokens, targets, weights = batch(case, step)
        loss = loss_of(model, tokens, targets, weights)
        loss.backward()
        norms.append(optimizer.step(learning_rate_factor(recipe, step)))
        losses.append(loss.item())
    results.append(case | {"losses": losses, "gradientNorms": norms})

print(json.dumps({
    "program": f"PyTorch {torch.__version__} (Debian python3-torch), numpy {numpy.__version__}, Python {platform.python_version()}",
    "command": "/usr/bin/python3 bench/training/torch-golden.py > test/golden/training/torch-losses.json",
    "cases": results,
}, indent=1))
