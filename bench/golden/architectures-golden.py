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


def layout(architecture, input_norms=False, factors=False, scales=False):
    """Names and sizes, inputs first; what a file has in this order."""
    queries, keys = HEADS * HEAD, KV_HEADS * HEAD
    gemma = architecture == "gemma3"
    layer = [("attn_norm.weight", [WIDTH]), ("attn_q.weight", [WIDTH, queries]), ("attn_k.weight", [WIDTH, keys]), ("attn_v.weight", [WIDTH, keys])]
    if architecture == "qwen2":
        layer += [("attn_q.bias", [queries]), ("attn_k.bias", [keys]), ("attn_v.bias", [keys])]
    if architecture in ("qwen3", "gemma3"):
        layer += [("attn_q_norm.weight", [HEAD]), ("attn_k_norm.weight", [HEAD])]
    bitnet = architecture.startswith("bitnet")
    layer += [("attn_sub_norm.weight", [queries])] if bitnet else []
    layer += [("attn_output.weight", [queries, WIDTH])] + ([("post_attention_norm.weight", [WIDTH])] if gemma else []) + [("ffn_norm.weight", [WIDTH]), ("ffn_gate.weight", [WIDTH, FEED]), ("ffn_up.weight", [WIDTH, FEED])]
    layer += [("ffn_sub_norm.weight", [FEED])] if bitnet else []
    layer += [("ffn_down.weight", [FEED, WIDTH])] + ([("post_ffw_norm.weight", [WIDTH])] if gemma else [])
    if input_norms:
        layer += [(f"{name}_norm_in.weight", [size]) for name, size in (("attn_q", WIDTH), ("attn_k", WIDTH), ("attn_v", WIDTH), ("attn_output", queries), ("ffn_gate", WIDTH), ("ffn_up", WIDTH), ("ffn_down", FEED))]
    if scales:
        layer += [(name.replace(".weight", ".scale"), [1]) for name, shape in layer if len(shape) == 2]
    names = [("token_embd.weight", [WIDTH, VOCABULARY])] + ([("rope_freqs.weight", [HEAD // 2])] if factors else [])
    for i in range(LAYERS):
        names += [(f"blk.{i}.{name}", shape) for name, shape in layer]
    return names + [("output_norm.weight", [WIDTH])]


def weights_of(names, seed):
    weights = {}
    for i, (name, shape) in enumerate(names):
        values = numbers(seed * 1000 + i, int(np.prod(shape)))
        if "norm" in name:
            values = 1 + 0.4 * values
        elif "freqs" in name:
            values = 2 + 2 * values
        elif name.endswith("bias"):
            values = 2 * values
        elif name.endswith("scale"):
            values = 0.6 + values
        else:
            values = values * 3.46 / np.sqrt(shape[0])
        weights[name] = values.astype(np.float32).astype(np.float64).reshape(shape[::-1])
    return weights


def norm(x, scale):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + EPSILON) * scale


def rotate(x, half, base, factors):
    """x [tokens, heads, HEAD]; pairs are halves of a head, or neighbours."""
    pairs = HEAD // 2
    angles = np.arange(len(x))[:, None] * base ** (-2 * np.arange(pairs) / HEAD) / factors
    c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
    a, b = (x[..., :pairs], x[..., pairs:]) if half else (x[..., 0::2], x[..., 1::2])
    ra, rb = a * c - b * s, a * s + b * c
    return np.concatenate([ra, rb], axis=-1) if half else np.stack([ra, rb], axis=-1).reshape(x.shape)


def gated(gate, activation):
    if activation == "relu2":
        return np.maximum(gate, 0) ** 2
    if activation == "gelu":
        return 0.5 * gate * (1 + np.tanh(np.sqrt(2 / np.pi) * (gate + 0.044715 * gate**3)))
    return gate / (1 + np.exp(-gate))


def states(architecture, w, activation, keys):
    """The final states [tokens, WIDTH], normalised. `keys` are those of the file."""
    gemma = architecture == "gemma3"
    hidden = w["token_embd.weight"][TOKENS] * (np.sqrt(WIDTH) if gemma else 1)
    count = len(TOKENS)
    window, pattern = keys.get("attention.sliding_window", 0), keys.get("attention.sliding_window_pattern", 6)
    for i in range(LAYERS):
        of = lambda name: w.get(f"blk.{i}.{name}")
        # A norm of its own in front of a projection, where there is one.
        normed = lambda x, name: x if of(f"{name}_norm_in.weight") is None else norm(x, of(f"{name}_norm_in.weight"))
        # The factor beside a matrix multiplies its product.
        project = lambda x, name: normed(x, name) @ of(f"{name}.weight").T * (1 if of(f"{name}.scale") is None else of(f"{name}.scale"))
        local = window > 0 and i % pattern < pattern - 1
        x = norm(hidden, of("attn_norm.weight"))
        q, k, v = (project(x, f"attn_{p}") + (0 if of(f"attn_{p}.bias") is None else of(f"attn_{p}.bias")) for p in "qkv")
        q, k, v = (part.reshape(count, -1, HEAD) for part in (q, k, v))
        if architecture in ("qwen3", "gemma3"):
            q, k = norm(q, of("attn_q_norm.weight")), norm(k, of("attn_k_norm.weight"))
        half = architecture not in ("llama", "ernie4_5")
        base = keys.get("rope.freq_base_swa", 10000.0) if local else BASE
        q, k = (rotate(part, half, base, w.get("rope_freqs.weight", 1)) for part in (q, k))
        k, v = (np.repeat(part, HEADS // KV_HEADS, axis=1) for part in (k, v))
        scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(HEAD)
        seen = np.tril(np.ones((count, count), bool))
        if local:
            seen &= ~np.tril(np.ones((count, count), bool), -window)
        scores = np.where(seen, scores, -np.inf)
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        attended = np.einsum("hij,jhd->ihd", shares, v).reshape(count, -1)
        if of("attn_sub_norm.weight") is not None:
            attended = norm(attended, of("attn_sub_norm.weight"))
        added = project(attended, "attn_output")
        hidden = hidden + (norm(added, of("post_attention_norm.weight")) if gemma else added)
        x = norm(hidden, of("ffn_norm.weight"))
        product = gated(project(x, "ffn_gate"), activation) * project(x, "ffn_up")
        if of("ffn_sub_norm.weight") is not None:
            product = norm(product, of("ffn_sub_norm.weight"))
        added = project(product, "ffn_down")
        hidden = hidden + (norm(added, of("post_ffw_norm.weight")) if gemma else added)
    return norm(hidden, w["output_norm.weight"])


def pooled(final, pooling):
    """A text's vector, of length 1, by the number of the pooling in the file."""
    vector = {1: final.mean(axis=0), 2: final[0], 3: final[-1]}[pooling]
    return [float(f"{value:.9g}") for value in vector / np.sqrt((vector * vector).sum())]


WINDOW = {"attention.sliding_window": 5, "attention.sliding_window_pattern": 2, "rope.freq_base_swa": 500.5}
# Architecture, activation in the file, its other keys, what its tensors have beside the usual.
CASES = [("llama", None), ("ernie4_5", None), ("qwen2", None), ("qwen3", None), ("bitnet", None), ("bitnet", "relu2"), ("bitnet-b1.58", None), ("bitnet-b1.58", "silu"), ("bitnet-25", None)]
CASES = [(architecture, activation, {}, {}) for architecture, activation in CASES] + [
    ("llama", None, {}, {"factors": True}),
    ("gemma3", None, WINDOW, {}),
    ("gemma3", None, {"pooling_type": 1}, {}),
    ("gemma3", None, WINDOW | {"pooling_type": 3}, {"input_norms": True}),
    ("qwen3", None, {"pooling_type": 3}, {"input_norms": True}),
    ("qwen3", None, {"pooling_type": 2}, {}),
    ("bitnet", None, {}, {"scales": True}),
    ("bitnet-b1.58", None, {}, {"scales": True}),
]
models = []
for architecture, activation, keys, more in CASES:
    usual = {"bitnet-b1.58": "relu2", "bitnet-25": "relu2", "gemma3": "gelu"}.get(architecture, "silu")
    for seed in (1, 2):
        names = layout(architecture, **more)
        weights = weights_of(names, seed)
        final = states(architecture, weights, activation or usual, keys)
        values = final @ weights["token_embd.weight"].T
        top = values.max(axis=-1, keepdims=True)
        values = values - top - np.log(np.exp(values - top).sum(axis=-1, keepdims=True))
        chosen = [float(f"{values[i, token]:.9g}") for i, token in enumerate(TOKENS[1:])]
        model = {"architecture": architecture, "activation": activation, "seed": seed, "tensors": names, "logprobs": chosen}
        if keys:
            model["keys"] = keys
        if "pooling_type" in keys:
            model["vector"] = pooled(final, keys["pooling_type"])
        models.append(model)
sizes = {"width": WIDTH, "feedForward": FEED, "heads": HEADS, "kvHeads": KV_HEADS, "headSize": HEAD, "layers": LAYERS, "epsilon": EPSILON, "base": BASE}
print(json.dumps({"madeBy": f"bench/golden/architectures-golden.py, numpy {np.__version__}", "tokens": TOKENS, "sizes": sizes, "models": models}))
