# Makes test/golden/architectures.json: logits of small models of each architecture, by a plain forward pass in numpy that shares no code with onebit.
# Weights are numbers that the test makes by the same rule, so that no file needs to be kept. Sources: the papers named in src/model/arch/.
#   python3 bench/golden/architectures-golden.py > test/golden/architectures.json
import json

import numpy as np

WIDTH, FEED, HEADS, KV_HEADS, HEAD, LAYERS, VOCABULARY = 64, 96, 4, 2, 16, 2, 96
EPSILON, BASE = 1e-5, 10000.0
TOKENS = [5, 17, 80, 3, 3, 41, 66, 9, 28, 90, 1, 55]


def numbers(seed, count):
    """Between -0.5 and 0.5: the generator of Numerical Recipes, one number a step."""
    state, out = seed, np.empty(count, np.float64)
    for i in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        out[i] = state / 2**32 - 0.5
    return out


def layout(architecture):
    """Names and sizes, inputs first; what a file has in this order."""
    queries, keys = HEADS * HEAD, KV_HEADS * HEAD
    layer = [("attn_norm.weight", [WIDTH]), ("attn_q.weight", [WIDTH, queries]), ("attn_k.weight", [WIDTH, keys]), ("attn_v.weight", [WIDTH, keys])]
    if architecture == "qwen2":
        layer += [("attn_q.bias", [queries]), ("attn_k.bias", [keys]), ("attn_v.bias", [keys])]
    if architecture == "qwen3":
        layer += [("attn_q_norm.weight", [HEAD]), ("attn_k_norm.weight", [HEAD])]
    bitnet = architecture.startswith("bitnet")
    layer += [("attn_sub_norm.weight", [queries])] if bitnet else []
    layer += [("attn_output.weight", [queries, WIDTH]), ("ffn_norm.weight", [WIDTH]), ("ffn_gate.weight", [WIDTH, FEED]), ("ffn_up.weight", [WIDTH, FEED])]
    layer += [("ffn_sub_norm.weight", [FEED])] if bitnet else []
    layer += [("ffn_down.weight", [FEED, WIDTH])]
    names = [("token_embd.weight", [WIDTH, VOCABULARY])]
    for i in range(LAYERS):
        names += [(f"blk.{i}.{name}", shape) for name, shape in layer]
    return names + [("output_norm.weight", [WIDTH])]


def weights_of(architecture, seed):
    weights = {}
    for i, (name, shape) in enumerate(layout(architecture)):
        values = numbers(seed * 1000 + i, int(np.prod(shape)))
        if "norm" in name:
            values = 1 + 0.4 * values
        elif name.endswith("bias"):
            values = 2 * values
        else:
            values = values * 3.46 / np.sqrt(shape[0])
        weights[name] = values.astype(np.float32).astype(np.float64).reshape(shape[::-1])
    return weights


def norm(x, scale):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + EPSILON) * scale


def rotate(x, half):
    """x [tokens, heads, HEAD]; pairs are halves of a head, or neighbours."""
    pairs = HEAD // 2
    angles = np.arange(len(x))[:, None] * BASE ** (-2 * np.arange(pairs) / HEAD)
    c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
    a, b = (x[..., :pairs], x[..., pairs:]) if half else (x[..., 0::2], x[..., 1::2])
    ra, rb = a * c - b * s, a * s + b * c
    return np.concatenate([ra, rb], axis=-1) if half else np.stack([ra, rb], axis=-1).reshape(x.shape)


def logits(architecture, relu2, seed):
    w = weights_of(architecture, seed)
    hidden = w["token_embd.weight"][TOKENS]
    count = len(TOKENS)
    for i in range(LAYERS):
        of = lambda name: w.get(f"blk.{i}.{name}")
        x = norm(hidden, of("attn_norm.weight"))
        q, k, v = (x @ of(f"attn_{p}.weight").T + (0 if of(f"attn_{p}.bias") is None else of(f"attn_{p}.bias")) for p in "qkv")
        q, k, v = (part.reshape(count, -1, HEAD) for part in (q, k, v))
        if architecture == "qwen3":
            q, k = norm(q, of("attn_q_norm.weight")), norm(k, of("attn_k_norm.weight"))
        half = architecture not in ("llama", "ernie4_5")
        q, k = rotate(q, half), rotate(k, half)
        k, v = (np.repeat(part, HEADS // KV_HEADS, axis=1) for part in (k, v))
        scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(HEAD)
        scores = np.where(np.tril(np.ones((count, count), bool)), scores, -np.inf)
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        attended = np.einsum("hij,jhd->ihd", shares, v).reshape(count, -1)
        if of("attn_sub_norm.weight") is not None:
            attended = norm(attended, of("attn_sub_norm.weight"))
        hidden = hidden + attended @ of("attn_output.weight").T
        x = norm(hidden, of("ffn_norm.weight"))
        gate = x @ of("ffn_gate.weight").T
        gate = np.maximum(gate, 0) ** 2 if relu2 else gate / (1 + np.exp(-gate))
        gated = gate * (x @ of("ffn_up.weight").T)
        if of("ffn_sub_norm.weight") is not None:
            gated = norm(gated, of("ffn_sub_norm.weight"))
        hidden = hidden + gated @ of("ffn_down.weight").T
    return norm(hidden, w["output_norm.weight"]) @ w["token_embd.weight"].T


CASES = [("llama", None), ("ernie4_5", None), ("qwen2", None), ("qwen3", None), ("bitnet", None), ("bitnet", "relu2"), ("bitnet-b1.58", None), ("bitnet-b1.58", "silu"), ("bitnet-25", None)]
models = []
for architecture, activation in CASES:
    relu2 = activation == "relu2" if activation else architecture in ("bitnet-b1.58", "bitnet-25")
    for seed in (1, 2):
        values = logits(architecture, relu2, seed)
        top = values.max(axis=-1, keepdims=True)
        values = values - top - np.log(np.exp(values - top).sum(axis=-1, keepdims=True))
        chosen = [float(f"{values[i, token]:.9g}") for i, token in enumerate(TOKENS[1:])]
        models.append({"architecture": architecture, "activation": activation, "seed": seed, "tensors": layout(architecture), "logprobs": chosen})
sizes = {"width": WIDTH, "feedForward": FEED, "heads": HEADS, "kvHeads": KV_HEADS, "headSize": HEAD, "layers": LAYERS, "epsilon": EPSILON, "base": BASE}
print(json.dumps({"madeBy": f"bench/golden/architectures-golden.py, numpy {np.__version__}", "tokens": TOKENS, "sizes": sizes, "models": models}))
