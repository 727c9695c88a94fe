"""The model and optimisers of src/train in PyTorch: the same graph, rounding, Muon and AdamW, for golden losses and as the peer of the benchmark."""
import math
import torch
import torch.nn as nn
import torch.nn.functional as F


class Binary(torch.autograd.Function):
    """+-mean|w| of each 128 inputs, the mean rounded to fp16; straight-through, with the scale as a constant."""

    @staticmethod
    def forward(ctx, w):
        groups = w.reshape(-1, 128)
        scale = groups.abs().mean(1, keepdim=True).half().float()
        return torch.where(groups >= 0, scale, -scale).reshape(w.shape)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Ternary(torch.autograd.Function):
    """s = fp16(mean|w|) of each 64 inputs; +-s where |w| >= s / 2, else 0; straight-through."""

    @staticmethod
    def forward(ctx, w):
        groups = w.reshape(-1, 64)
        scale = groups.abs().mean(1, keepdim=True).half().float()
        signed = torch.where(groups >= 0, scale, -scale)
        return torch.where(groups.abs() >= scale / 2, signed, torch.zeros_like(signed)).reshape(w.shape)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def rms_norm(x, scale, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * scale


class Decoder(nn.Module):
    """`shape` has the fields of ModelShape in src/train/shape.ts."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.quantized = True
        architecture = shape.get("architecture", "qwen3")
        self.gemma = architecture == "gemma3"
        self.qk_norm, self.biases, self.sub_norm = architecture in ("qwen3", "gemma3"), architecture == "qwen2", architecture.startswith("bitnet")
        relu2 = shape.get("activation", "relu2" if architecture in ("bitnet-b1.58", "bitnet-25") else "silu") == "relu2"
        self.activation = (lambda x: F.relu(x) ** 2) if relu2 else (lambda x: F.gelu(x, approximate="tanh")) if self.gemma else F.silu
        width, size = shape["width"], shape["headSize"]
        q, kv, ff = shape["heads"] * size, shape["kvHeads"] * size, shape["feedForwardWidth"]
        sizes = {"token_embd": (shape["vocabulary"], width)}
        for i in range(shape["layers"]):
            block = f"blk.{i}."
            sizes |= {block + "attn_norm": (width,), block + "attn_q": (q, width), block + "attn_k": (kv, width), block + "attn_v": (kv, width)}
            if self.biases:
                sizes |= {block + "attn_q.bias": (q,), block + "attn_k.bias": (kv,), block + "attn_v.bias": (kv,)}
            if self.qk_norm:
                sizes |= {block + "attn_q_norm": (size,), block + "attn_k_norm": (size,)}
            if self.sub_norm:
                sizes[block + "attn_sub_norm"] = (q,)
            sizes[block + "attn_output"] = (width, q)
            if self.gemma:
                sizes[block + "post_attention_norm"] = (width,)
            sizes |= {block + "ffn_norm": (width,), block + "ffn_gate": (ff, width), block + "ffn_up": (ff, width)}
            if self.sub_norm:
                sizes[block + "ffn_sub_norm"] = (ff,)
            sizes[block + "ffn_down"] = (width, ff)
            if self.gemma:
                sizes[block + "post_ffw_norm"] = (width,)
        sizes["output_norm"] = (width,)
        if not shape["tiedHead"]:
            sizes["output"] = (shape["vocabulary"], width)
        self.named = {name: nn.Parameter(torch.zeros(size) if name.endswith("bias") else torch.ones(size) if len(size) == 1 else torch.randn(size) * 0.02) for name, size in sizes.items()}
        self.weights = nn.ParameterList(self.named.values())

    def used(self, name):
        w = self.named[name]
        if not self.quantized or self.shape["weights"] == "float":
            return w
        return Binary.apply(w) if self.shape["weights"] == "binary" else Ternary.apply(w)

    def is_local(self, layer):
        """Gemma 3: of each six layers the last sees everything, the others a window."""
        return self.gemma and self.shape.get("window", 512) > 0 and layer % 6 < 5

    def rotate(self, x, base):
        length, size = x.shape[-2], x.shape[-1]
        frequency = (base ** (-2 * torch.arange(size // 2, dtype=torch.float64) / size)).float().double()
        angle = torch.arange(length, dtype=torch.float64)[:, None] * frequency
        cos, sin = angle.cos().float(), angle.sin().float()
        a, b = x.chunk(2, -1)
        return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)

    def added(self, x, norm):
        """What a block adds to the residual."""
        return rms_norm(x, self.named[norm], self.shape["normEpsilon"]) if self.gemma else x

    def forward(self, tokens):
        s, eps = self.shape, self.shape["normEpsilon"]
        n, length = tokens.shape
        size, heads, kv = s["headSize"], s["heads"], s["kvHeads"]
        embedding = self.used("token_embd")
        causal = torch.full((length, length), -math.inf).triu(1)
        x = F.embedding(tokens, embedding) * (math.sqrt(s["width"]) if self.gemma else 1)
        for i in range(s["layers"]):
            block = f"blk.{i}."
            y = rms_norm(x, self.named[block + "attn_norm"], eps)
            projected = lambda name: F.linear(y, self.used(block + name), self.named.get(block + name + ".bias"))
            q = projected("attn_q").view(n, length, heads, size)
            k = projected("attn_k").view(n, length, kv, size)
            v = projected("attn_v").view(n, length, kv, size)
            if self.qk_norm:
                q, k = rms_norm(q, self.named[block + "attn_q_norm"], eps), rms_norm(k, self.named[block + "attn_k_norm"], eps)
            local = self.is_local(i)
            mask = causal + torch.full((length, length), -math.inf).tril(-s.get("window", 512)) if local else causal
            base = 10000 if local else s["ropeBase"]
            q, k = self.rotate(q.transpose(1, 2), base), self.rotate(k.transpose(1, 2), base)
            v = v.transpose(1, 2)
            if heads != kv:
                k, v = k.repeat_interleave(heads // kv, 1), v.repeat_interleave(heads // kv, 1)
            attended = ((q @ k.transpose(-1, -2)) / math.sqrt(size) + mask).softmax(-1) @ v
            attended = attended.transpose(1, 2).reshape(n, length, heads * size)
            if self.sub_norm:
                attended = rms_norm(attended, self.named[block + "attn_sub_norm"], eps)
            x = x + self.added(F.linear(attended, self.used(block + "attn_output")), block + "post_attention_norm")
            y = rms_norm(x, self.named[block + "ffn_norm"], eps)
            gate = self.activation(F.linear(y, self.used(block + "ffn_gate"))) * F.linear(y, self.used(block + "ffn_up"))
            if self.sub_norm:
                gate = rms_norm(gate, self.named[block + "ffn_sub_norm"], eps)
            x = x + self.added(F.linear(gate, self.used(block + "ffn_down")), block + "post_ffw_norm")
        x = rms_norm(x, self.named["output_norm"], eps)
        return F.linear(x, embedding if s["tiedHead"] else self.used("output"))


def loss_of(model, tokens, targets, weights=None):
    losses = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten(), reduction="none")
    return losses.mean() if weights is None else (losses * weights.flatten()).sum() / weights.sum()


class Optimizer:
    """Muon or AdamW for the matrices, Adam for embedding, head and norms; `recipe` has the fields of Recipe in src/train/recipe.ts."""

    def __init__(self, model, recipe):
        self.recipe = recipe
        matrices = [p for name, p in model.named.items() if p.dim() == 2 and name not in ("token_embd", "output")]
        others = [p for p in model.named.values() if not any(p is m for m in matrices)]
        betas, eps = (recipe["beta1"], recipe["beta2"]), recipe["epsilon"]
        groups = [{"params": others, "rate": recipe["adamLearningRate"], "weight_decay": 0.0}]
        self.matrices = matrices if recipe["optimizer"] == "muon" else []
        if recipe["optimizer"] == "adamw":
            groups.append({"params": matrices, "rate": recipe["learningRate"], "weight_decay": recipe["weightDecay"]})
        self.adam = torch.optim.AdamW(groups, betas=betas, eps=eps)
        self.momenta = [torch.zeros_like(p) for p in self.matrices]
        self.parameters = list(model.named.values())

    @torch.no_grad()
    def step(self, factor):
        norm = torch.sqrt(sum(p.grad.pow(2).sum() for p in self.parameters)).item()
        clip = self.recipe["clipNorm"]
        if clip > 0 and norm > clip:
            for p in self.parameters:
                p.grad *= clip / norm
        for group in self.adam.param_groups:
            group["lr"] = group["rate"] * factor
        self.adam.step()
        for p, momentum in zip(self.matrices, self.momenta):
            momentum.mul_(self.recipe["momentum"]).add_(p.grad)
            x = p.grad + self.recipe["momentum"] * momentum
            x = x / (x.norm() + 1e-7)
            for _ in range(3):
                if p.shape[0] <= p.shape[1]:
                    a = x @ x.T
                    x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
                else:
                    a = x.T @ x
                    x = 3.4445 * x + x @ (-4.775 * a + 2.0315 * a @ a)
            p -= factor * self.recipe["learningRate"] * math.sqrt(max(1, p.shape[0] / p.shape[1])) * x
        for p in self.parameters:
            p.grad = None
        return norm


def learning_rate_factor(recipe, step):
    """As learningRateFactor in src/train/recipe.ts."""
    progress = step / recipe["steps"]
    warm = min(1, (step + 1) / (recipe["warmupSteps"] + 1))
    if recipe["schedule"] == "cosine":
        return warm * 0.5 * (1 + math.cos(math.pi * min(1, progress)))
    return warm * max(0, min(1, (1 - progress) / max(recipe["decayShare"], 1e-9)))
