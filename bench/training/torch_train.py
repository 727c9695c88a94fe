"""The peer of the training benchmark: steps of a model of torch_model.py on random tokens. Usage: torch_train.py '{"shape":…,"recipe":…,"sequences":…,"length":…,"steps":…}'.
Prints one JSON line. Run without OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE; PyTorch's own threads are off because OpenBLAS has its own, which is faster."""
import json
import sys
import time
import torch
from torch_model import Decoder, Optimizer, learning_rate_factor, loss_of

torch.set_num_threads(1)
task = json.loads(sys.argv[1])
torch.manual_seed(1)
model = Decoder(task["shape"])
optimizer = Optimizer(model, task["recipe"])
seconds = []
for step in range(task["steps"]):
    tokens = torch.randint(task["shape"]["vocabulary"], (task["sequences"], task["length"] + 1))
    start = time.perf_counter()
    loss = loss_of(model, tokens[:, :-1], tokens[:, 1:])
    loss.backward()
    optimizer.step(learning_rate_factor(task["recipe"], step))
    seconds.append(time.perf_counter() - start)
tokens = task["sequences"] * task["length"]
print(json.dumps({"tokensPerSecond": tokens / min(seconds), "seconds": seconds, "loss": loss.item(), "version": torch.__version__}))
