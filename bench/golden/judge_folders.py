"""Transformers beside onebit, on folders of either: tokens and log-probabilities.

    python bench/golden/judge_folders.py make DIR             random models written by Transformers and its safetensors
    python bench/golden/judge_folders.py compare FOLDER JSON  what `node bench/golden/folder-numbers.mjs` wrote, judged by Transformers

Needs torch, transformers, safetensors, tokenizers.
"""
import json, sys
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, BitNetConfig, BitNetForCausalLM, Ernie4_5Config, Ernie4_5ForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA = QWEN.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)
TURNS = [{"role": "user", "content": "Hi there"}, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Bye"}]


def tokenizer(pattern):
    bpe = Tokenizer(models.BPE(ignore_merges=pattern is LLAMA))
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    bpe.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    bpe.decoder = decoders.ByteLevel()
    text = [open(__file__).read()] * 3
    bpe.train_from_iterator(text, trainers.BpeTrainer(vocab_size=600, special_tokens=["<|begin|>", "<|im_start|>", "<|im_end|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    fast = PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<|begin|>", eos_token="<|im_end|>")
    fast.chat_template = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    return fast


def make(folder):
    shape = dict(vocab_size=640, hidden_size=128, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256, bos_token_id=0, eos_token_id=2, initializer_range=0.1)
    for seed, (name, build, dtype, extra) in enumerate([
        ("qwen3-bf16", (Qwen3Config, Qwen3ForCausalLM, QWEN), torch.bfloat16, dict(head_dim=64, tie_word_embeddings=True)),
        ("qwen3-f16-sharded", (Qwen3Config, Qwen3ForCausalLM, QWEN), torch.float16, dict(head_dim=32, tie_word_embeddings=False, rope_theta=1000000.0)),
        ("qwen3-yarn", (Qwen3Config, Qwen3ForCausalLM, QWEN), torch.float32, dict(head_dim=32, tie_word_embeddings=True, rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64))),
        ("llama-f32", (LlamaConfig, LlamaForCausalLM, LLAMA), torch.float32, dict(tie_word_embeddings=False)),
        ("llama-bf16", (LlamaConfig, LlamaForCausalLM, LLAMA), torch.bfloat16, dict(tie_word_embeddings=True)),
        ("llama3-f32", (LlamaConfig, LlamaForCausalLM, LLAMA), torch.float32, dict(tie_word_embeddings=False, rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64))),
        ("gemma3-bf16", (Gemma3TextConfig, Gemma3ForCausalLM, QWEN), torch.bfloat16, dict(head_dim=32, query_pre_attn_scalar=32, sliding_window=8, layer_types=["sliding_attention", "full_attention", "sliding_attention"])),
        ("mistral-bf16", (MistralConfig, MistralForCausalLM, LLAMA), torch.bfloat16, dict(sliding_window=None)),
        ("ernie-bf16", (Ernie4_5Config, Ernie4_5ForCausalLM, LLAMA), torch.bfloat16, dict(head_dim=32)),
        ("bitnet-f32", (BitNetConfig, BitNetForCausalLM, LLAMA), torch.float32, dict(tie_word_embeddings=True)),
        ("qwen2-bf16", (Qwen2Config, Qwen2ForCausalLM, QWEN), torch.bfloat16, dict(tie_word_embeddings=True)),
    ]):
        config, model, pattern = build
        torch.manual_seed(seed)
        made = model(config(**shape, **extra))
        for parameter in made.parameters():
            if parameter.dim() == 1:
                parameter.data += 0.2 * torch.randn_like(parameter)
        made.to(dtype).save_pretrained(f"{folder}/{name}", max_shard_size="300KB" if "sharded" in name else "5GB")
        tokenizer(pattern).save_pretrained(f"{folder}/{name}")


def compare(folder, file):
    ours = json.load(open(file))
    fast, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    written = json.load(open(folder.rstrip("/") + "/tokenizer.json"))
    rows = 1 + max([*written["model"]["vocab"].values(), *(token["id"] for token in written["added_tokens"])])
    worst, wrong = 0.0, []
    for case in ours["texts"]:
        ids = fast(case["text"])["input_ids"]
        if ids != case["ids"]:
            wrong.append((case["text"], ids, case["ids"]))
        with torch.no_grad():
            # onebit never chooses rows of the vocabulary that no token has. (AutoTokenizer puts a token of its own behind those of some folders.)
            judged = torch.log_softmax(model(torch.tensor([case["ids"]])).logits[0, :, :rows].double(), -1)
        for at, token in enumerate(case["ids"][1:]):
            worst = max(worst, abs(judged[at, token].item() - case["logprobs"][at]))
    if ours.get("chat"):
        chat = fast.apply_chat_template(TURNS, add_generation_prompt=True)
        chat = chat if isinstance(chat, list) else chat["input_ids"]
        if chat != ours["chat"]:
            wrong.append(("chat", chat, ours["chat"]))
    print(json.dumps({"folder": folder.rstrip("/").split("/")[-1], "model": type(model).__name__, "texts": len(ours["texts"]), "largestDifference": worst, "otherTokens": wrong}))
    sys.exit(1 if wrong or worst > 1e-4 else 0)


make(sys.argv[2]) if sys.argv[1] == "make" else compare(sys.argv[2], sys.argv[3])
