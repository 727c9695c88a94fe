"""onebit's training in PyTorch: the same model, the same data, the same recipe, on one GPU or many.

  onebit train texts.txt -o unused.gguf --preset seedling --steps 10000 --export-tokens run     what `onebit train` would read
  python onebit.py train run -o out                                                            one device
  torchrun --nproc_per_node 8 onebit.py train run -o out --bf16                                eight, one process each
  python onebit.py train run -o out --resume                                                   after an interruption
  python onebit.py import model.gguf.ckpt/step-000001000.ckpt run                              go on from where `onebit train` stopped
  python onebit.py mean run -o mean --of one two --shares 1 4                                  the mean of what two runs learnt, before rounding
  python onebit.py spread run                                                                  start from a 1-bit file whose weights before rounding are lost
  onebit convert out -o model.gguf --type q1_0                                                 back, without loss

A run folder holds tokens.safetensors (for update u and pass p: `u.p.ids` [sequences, length + 1], `u.p.weights` [sequences, length], how much predicting
the next token counts), start.safetensors (weights before rounding), recipe.json, config.json and the tokenizer. The output folder is one that Transformers
loads. Needs torch 1.13 or later and nothing else; Apache-2.0.
"""
import argparse, hashlib, json, math, os, shutil, struct, sys, time

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn


# --- safetensors: u64 length, JSON header, data (https://github.com/huggingface/safetensors#format) ---------------------------------------------------------

TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I32": torch.int32}


class Safetensors:
    def __init__(self, *path):
        self.file = open(os.path.join(*path), "rb")
        length = struct.unpack("<Q", self.file.read(8))[0]
        self.entries, self.start = json.loads(self.file.read(length)), 8 + length
        self.entries.pop("__metadata__", None)

    def get(self, name):
        entry = self.entries[name]
        begin, end = entry["data_offsets"]
        self.file.seek(self.start + begin)
        return torch.frombuffer(bytearray(self.file.read(end - begin)), dtype=TYPES[entry["dtype"]]).view(entry["shape"])

    def all(self):
        return {name: self.get(name) for name in self.entries}


def save_safetensors(path, tensors):
    header, at, names = {"__metadata__": {"format": "pt"}}, 0, {dtype: name for name, dtype in TYPES.items()}
    for name, t in tensors.items():
        size = t.numel() * t.element_size()
        header[name] = {"dtype": names[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            file.write(t.contiguous().view(-1).numpy().tobytes())
    os.replace(path + ".part", path)


# --- weights of one bit ----------------------------------------------------------------------------------------------------------------------------------


def rounded(weight, kind):
    """What a weight becomes in the file: groups of 128 (binary) or 64 (ternary) neighbours share one fp16 scale, the mean of their sizes.

    The gradient passes as if nothing had been rounded (straight-through, Bengio et al. 2013, arXiv 1308.3432)."""
    if kind == "float":
        hard = weight.half().float()
    else:
        groups = weight.view(-1, 128 if kind == "binary" else 64)
        scale = groups.abs().mean(dim=1, keepdim=True).clamp(max=65504).half().float()
        hard = torch.where(groups >= 0, scale, -scale)
        if kind == "ternary":
            hard = torch.where(groups.abs() >= scale / 2, hard, torch.zeros_like(hard))
        hard = hard.view_as(weight)
    return weight + (hard - weight).detach()


class Linear(nn.Module):
    """y = x · round(weight)ᵀ, weight [outputs, inputs]."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))

    def forward(self, x, kind):
        return F.linear(x, (self.weight if kind is None else rounded(self.weight, kind)).to(x.dtype))


class Norm(nn.Module):
    def __init__(self, width, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x):
        wide = x.float()
        return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.weight).to(x.dtype)


# --- the model: Qwen3 (arXiv 2505.09388), names as Transformers has them ----------------------------------------------------------------------------------


def rotate(x, cos, sin):
    """Rotary positions (arXiv 2104.09864) of x [sequences, heads, length, size], the two halves of a head paired."""
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, self.size, self.heads, self.kv = c["hidden_size"], c["head_dim"], c["num_attention_heads"], c["num_key_value_heads"]
        self.q_proj = Linear(width, self.heads * self.size)
        self.k_proj = Linear(width, self.kv * self.size)
        self.v_proj = Linear(width, self.kv * self.size)
        self.o_proj = Linear(self.heads * self.size, width)
        self.q_norm, self.k_norm = Norm(self.size, c["rms_norm_eps"]), Norm(self.size, c["rms_norm_eps"])

    def forward(self, x, cos, sin, kind):
        sequences, length, _ = x.shape
        split = lambda y, heads: y.view(sequences, length, heads, self.size)
        q = rotate(self.q_norm(split(self.q_proj(x, kind), self.heads)).transpose(1, 2), cos, sin)
        k = rotate(self.k_norm(split(self.k_proj(x, kind), self.kv)).transpose(1, 2), cos, sin)
        v = split(self.v_proj(x, kind), self.kv).transpose(1, 2)
        k, v = (y.repeat_interleave(self.heads // self.kv, dim=1) for y in (k, v))
        if hasattr(F, "scaled_dot_product_attention"):
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            future = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
            y = (q @ k.transpose(-1, -2) / math.sqrt(self.size)).masked_fill(future, -math.inf).softmax(-1) @ v
        return self.o_proj(y.transpose(1, 2).reshape(sequences, length, -1), kind)


class FeedForward(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = Linear(c["hidden_size"], c["intermediate_size"])
        self.up_proj = Linear(c["hidden_size"], c["intermediate_size"])
        self.down_proj = Linear(c["intermediate_size"], c["hidden_size"])

    def forward(self, x, kind):
        return self.down_proj(F.silu(self.gate_proj(x, kind)) * self.up_proj(x, kind), kind)


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = (Norm(c["hidden_size"], c["rms_norm_eps"]) for _ in range(2))
        self.self_attn, self.mlp = Attention(c), FeedForward(c)

    def forward(self, x, cos, sin, kind):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, kind)
        return x + self.mlp(self.post_attention_layernorm(x), kind)


class Body(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed_tokens = Linear(c["hidden_size"], c["vocab_size"])
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))
        self.norm = Norm(c["hidden_size"], c["rms_norm_eps"])


class Model(nn.Module):
    """Decoder whose matrices, embedding and head included, are rounded in the forward pass."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.model = Body(config)
        if not config["tie_word_embeddings"]:
            self.lm_head = Linear(config["hidden_size"], config["vocab_size"])

    def forward(self, ids, weights, kind=None, dtype=torch.float32):
        """Sum over ids [sequences, length + 1] of -log p(next) · weight. kind: None before weights are rounded, else binary, ternary, float."""
        length, size = ids.shape[1] - 1, self.config["head_dim"]
        angles = torch.arange(length, device=ids.device)[:, None] * self.config["rope_theta"] ** (
            -torch.arange(0, size, 2, device=ids.device) / size)
        cos, sin = angles.cos(), angles.sin()
        table = self.model.embed_tokens.weight
        x = F.embedding(ids[:, :-1], table if kind is None else rounded(table, kind)).to(dtype)
        for layer in self.model.layers:
            x = layer(x, cos, sin, kind)
        head = self.model.embed_tokens if self.config["tie_word_embeddings"] else self.lm_head
        logits = head(self.model.norm(x), kind).float()
        losses = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten().long(), reduction="none")
        return (losses * weights.flatten()).sum()


# --- the optimiser ---------------------------------------------------------------------------------------------------------------------------------------


def orthogonal(x, rounds=3):
    """The nearest orthogonal matrix, about, by Newton–Schulz (Muon: Keller Jordan, 2024)."""
    x = x / (x.norm() + 1e-7)
    wide = x.shape[0] <= x.shape[1]
    for _ in range(rounds):
        square = x @ x.T if wide else x.T @ x
        polynomial = -4.7750 * square + 2.0315 * square @ square
        x = 3.4445 * x + (polynomial @ x if wide else x @ polynomial)
    return x


class Optimizer:
    """Muon for the matrices inside layers, Adam for embedding, head and norms; rates of recipe.json, times the update's factor."""

    def __init__(self, model, recipe):
        self.recipe, self.state = recipe, {}
        self.named = list(model.named_parameters())
        for name, p in self.named:
            self.state[name] = [torch.zeros_like(p), None if self.by_muon(name, p) else torch.zeros_like(p)]

    def is_matrix(self, name, p):
        return p.dim() == 2 and ".layers." in name

    def by_muon(self, name, p):
        return self.is_matrix(name, p) and self.recipe["optimizer"] == "muon"

    @torch.no_grad()
    def step(self, step, factor):
        r = self.recipe
        norm = math.sqrt(sum(p.grad.double().pow(2).sum().item() for _, p in self.named))
        scale = r["clipNorm"] / norm if 0 < r["clipNorm"] < norm else 1.0
        if not math.isfinite(norm):
            return norm
        for name, p in self.named:
            g, (m, second) = p.grad * scale, self.state[name]
            if second is None:
                m.mul_(r["momentum"]).add_(g)
                update = orthogonal(g + r["momentum"] * m)
                p.sub_(update, alpha=factor * r["learningRate"] * math.sqrt(max(1, p.shape[0] / p.shape[1])))
                continue
            rate = factor * (r["learningRate"] if self.is_matrix(name, p) else r["adamLearningRate"])
            decay = r["weightDecay"] if self.is_matrix(name, p) else 0
            m.lerp_(g, 1 - r["beta1"])
            second.lerp_(g * g, 1 - r["beta2"])
            update = m / (1 - r["beta1"] ** (step + 1)) / ((second / (1 - r["beta2"] ** (step + 1))).sqrt() + r["epsilon"])
            p.mul_(1 - rate * decay).sub_(update, alpha=rate)
        return norm


# --- training --------------------------------------------------------------------------------------------------------------------------------------------


def read_json(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return json.load(file)


def passes_of(tokens):
    """Names of the passes of each update."""
    updates = {}
    for key in tokens.entries:
        if key.endswith(".ids"):
            step, part = key[:-4].split(".")
            updates.setdefault(int(step), []).append(int(part))
    return [[f"{step}.{part}" for part in sorted(parts)] for step, parts in sorted(updates.items())]


def train(o):
    world, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    cuda = torch.cuda.is_available() and not o.cpu
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if cuda else torch.device("cpu")
    if world > 1:
        dist.init_process_group("nccl" if cuda else "gloo")
    recipe, config = read_json(o.run, "recipe.json"), read_json(o.run, "config.json")
    model = Model(config)
    model.load_state_dict(Safetensors(o.run, "start.safetensors").all())
    model.to(device)
    optimizer = Optimizer(model, recipe)
    first, saved = 0, os.path.join(o.output, "checkpoint.pt")
    if o.resume and os.path.exists(saved):
        state = torch.load(saved, map_location=device)
        model.load_state_dict(state["model"])
        optimizer.state, first = state["optimizer"], state["step"]
    os.makedirs(o.output, exist_ok=True)
    wrapped = nn.parallel.DistributedDataParallel(model, device_ids=[device.index] if cuda else None) if world > 1 else model
    tokens = Safetensors(o.run, "tokens.safetensors")
    log = open(os.path.join(o.output, "log.jsonl"), "a" if first else "w") if rank == 0 else None
    began = time.time()
    updates = passes_of(tokens)[: o.steps]
    for step, names in list(enumerate(updates))[first:]:
        update = recipe["updates"][step]
        kind = recipe["weights"] if update["quantized"] else None
        passes = [(tokens.get(f"{name}.ids").to(device), tokens.get(f"{name}.weights").to(device)) for name in names]
        total = sum(w.sum() for _, w in passes)
        model.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=device)
        for i, (ids, weights) in enumerate(passes):
            # Each process takes its share of the sequences; padding where they do not divide counts nothing.
            short = -len(ids) % world
            ids, weights = F.pad(ids, (0, 0, 0, short)), F.pad(weights, (0, 0, 0, short))
            share = wrapped(ids[rank::world], weights[rank::world], kind, torch.bfloat16 if o.bf16 else torch.float32)
            # DistributedDataParallel takes the mean over processes where the sum is wanted.
            (share * world / total).backward()
            loss += share.detach()
        if world > 1:
            dist.all_reduce(loss)
        norm = optimizer.step(step, update["rate"])
        if rank == 0:
            line = {"step": step, "loss": (loss / total).item(), "gradientNorm": norm, "seconds": round(time.time() - began, 2)}
            print(json.dumps(line), file=log, flush=True)
            if step % o.show == 0:
                print(f"update {step + 1}  loss {line['loss']:.4f}  gradient {norm:.3f}", file=sys.stderr)
        if rank == 0 and (step + 1) % o.checkpoint_every == 0:
            keep(saved, model, optimizer, step + 1)
    if rank == 0:
        keep(saved, model, optimizer, len(updates))
        export(model, recipe, o.run, o.output)
    if world > 1:
        dist.barrier()
        dist.destroy_process_group()


def keep(path, model, optimizer, step):
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state, "step": step}, path + ".part")
    os.replace(path + ".part", path)


def export(model, recipe, run, folder):
    """Writes the folder that Transformers and `onebit convert` load: matrices rounded, in fp16, which holds ±scale exactly; vectors in float32."""
    out = {}
    for name, p in model.state_dict().items():
        value = p.detach().float().cpu()
        out[name] = rounded(value, recipe["weights"]).half().contiguous() if value.dim() == 2 else value.contiguous()
    save_safetensors(os.path.join(folder, "model.safetensors"), out)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if os.path.exists(os.path.join(run, name)):
            shutil.copyfile(os.path.join(run, name), os.path.join(folder, name))


def mean(o):
    """Model soups (Wortsman et al. 2022, arXiv 2203.05482): runs from one start have a mean that is often better than each."""
    shares = o.shares or [1] * len(o.of)
    states = [torch.load(os.path.join(folder, "checkpoint.pt"), map_location="cpu")["model"] for folder in o.of]
    model = Model(read_json(o.run, "config.json"))
    model.load_state_dict({k: sum(s * state[k] for s, state in zip(shares, states)) / sum(shares) for k in states[0]})
    os.makedirs(o.output, exist_ok=True)
    export(model, read_json(o.run, "recipe.json"), o.run, o.output)


def spread(o):
    """A 1-bit file holds signs and scales: started from, all weights of a group are equally far from changing their sign, hundreds of updates away.

    Gives the weights of each group the sizes of a normal distribution with the group's mean, the smallest to those whose gradients are smallest over the run's
    first updates. Signs and means stay, so the rounded model stays the same."""
    recipe, tokens = read_json(o.run, "recipe.json"), Safetensors(o.run, "tokens.safetensors")
    if recipe["weights"] != "binary":
        sys.exit("spread: the run's weights are not binary")
    start = Safetensors(o.run, "start.safetensors").all()
    model = Model(read_json(o.run, "config.json"))
    model.load_state_dict(start)
    squares = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for names in passes_of(tokens)[: o.updates]:
        weights = tokens.get(f"{names[0]}.weights")
        model.zero_grad(set_to_none=True)
        (model(tokens.get(f"{names[0]}.ids"), weights, "binary") / weights.sum()).backward()
        for name, p in model.named_parameters():
            squares[name] += p.grad.pow(2)
    normal = torch.distributions.Normal(0.0, 1.0)
    sizes = normal.icdf(0.5 + 0.5 * (torch.arange(128) + 0.5) / 128)
    for name, p in start.items():
        if p.dim() == 2:
            groups = p.view(-1, 128)
            rank = squares[name].view(-1, 128).argsort(1).argsort(1)
            size = (sizes / sizes.mean())[rank] * groups.abs().mean(1, keepdim=True)
            start[name] = torch.where(groups >= 0, size, -size).view_as(p)
    save_safetensors(os.path.join(o.run, "start.safetensors"), start)
    print(f"{o.run} starts from weights of all sizes")


# --- weights before rounding from a checkpoint of `onebit train` ------------------------------------------------------------------------------------------

HF_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head", "attn_norm": "input_layernorm",
            "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_q_norm": "self_attn.q_norm",
            "attn_k_norm": "self_attn.k_norm", "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
            "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def hf_name(name):
    parts = name.split(".")
    return f"model.layers.{parts[1]}.{HF_NAMES[parts[2]]}.weight" if parts[0] == "blk" else f"{HF_NAMES[parts[0]]}.weight"


def import_checkpoint(o):
    """Layout: docs/formats.md, "Checkpoints": magic, version, header length, SHA-256 of the header, JSON header, float32 arrays in order."""
    with open(o.checkpoint, "rb") as file:
        magic, version, length, digest = struct.unpack("<8sII32s", file.read(48))
        header = file.read(length)
        if magic != b"ONEBITCK" or version != 1 or hashlib.sha256(header).digest() != digest:
            sys.exit(f"{o.checkpoint}: not a checkpoint of `onebit train`, or damaged")
        weights, shapes = {}, Safetensors(o.run, "start.safetensors").all()
        for array in json.loads(header)["arrays"]:
            data = file.read(4 * array["length"])
            if hashlib.sha256(data).hexdigest() != array["sha256"]:
                sys.exit(f"{o.checkpoint}: the hash of {array['name']} differs")
            if "/" not in array["name"]:
                name = hf_name(array["name"])
                weights[name] = torch.frombuffer(bytearray(data), dtype=torch.float32).view(shapes[name].shape).clone()
    save_safetensors(os.path.join(o.run, "start.safetensors"), weights)
    print(f"{o.run} starts from {o.checkpoint}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("train")
    one.add_argument("run")
    one.add_argument("-o", "--output", required=True)
    one.add_argument("--steps", type=int, help="end after so many updates")
    one.add_argument("--bf16", action="store_true", help="products in bfloat16; weights and sums stay float32")
    one.add_argument("--resume", action="store_true")
    one.add_argument("--cpu", action="store_true")
    one.add_argument("--show", type=int, default=20)
    one.add_argument("--checkpoint-every", type=int, default=200)
    one.set_defaults(run_command=train)
    two = commands.add_parser("import")
    two.add_argument("checkpoint")
    two.add_argument("run")
    two.set_defaults(run_command=import_checkpoint)
    three = commands.add_parser("mean")
    three.add_argument("run")
    three.add_argument("-o", "--output", required=True)
    three.add_argument("--of", nargs="+", required=True, help="output folders of runs")
    three.add_argument("--shares", nargs="+", type=float)
    three.set_defaults(run_command=mean)
    four = commands.add_parser("spread")
    four.add_argument("run")
    four.add_argument("--updates", type=int, default=20, help="whose gradients are looked at")
    four.set_defaults(run_command=spread)
    options = parser.parse_args()
    options.run_command(options)
