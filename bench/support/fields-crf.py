"""A conditional random field with the usual features, to compare the fields of `onebit support` with.

  pip install python-crfsuite
  python bench/support/fields-crf.py TRAIN.jsonl DEV.jsonl [MORE PAIRS]

Rows are JSON lines {"text", "slots": [{"label", "start", "end"}]}. Prints a JSON line a pair: spans found exactly, as conlleval counts them.
"""
import json
import re
import sys
import time

import pycrfsuite

TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\s]")


def rows(path):
    for line in open(path, encoding="utf-8"):
        row = json.loads(line)
        tokens = [(m.start(), m.end()) for m in TOKEN.finditer(row["text"])]
        tags = ["O"] * len(tokens)
        for slot in row["slots"]:
            first = True
            for i, (start, end) in enumerate(tokens):
                if start < slot["end"] and end > slot["start"]:
                    tags[i] = ("B-" if first else "I-") + slot["label"]
                    first = False
        yield [row["text"][s:e] for s, e in tokens], tags


def shape(word):
    return re.sub(r"(.)\1+", r"\1\1", re.sub(r"[a-z]", "x", re.sub(r"[A-Z]", "X", re.sub(r"\d", "9", word))))


def features(words, i):
    word = words[i]
    out = ["bias", "w=" + word.lower(), "shape=" + shape(word)]
    out += [f"pre{n}={word[:n].lower()}" for n in (1, 2, 3)] + [f"suf{n}={word[-n:].lower()}" for n in (1, 2, 3)]
    out += [f"upper={word.isupper()}", f"title={word.istitle()}", f"digit={word.isdigit()}"]
    for offset in (-2, -1, 1, 2):
        if 0 <= i + offset < len(words):
            other = words[i + offset]
            out += [f"{offset}:w={other.lower()}", f"{offset}:shape={shape(other)}", f"{offset}:title={other.istitle()}"]
        else:
            out.append(f"{offset}:edge")
    if i > 0:
        out.append(f"-1,0={words[i - 1].lower()} {word.lower()}")
    if i + 1 < len(words):
        out.append(f"0,1={word.lower()} {words[i + 1].lower()}")
    return out


def spans(tags):
    found, start = set(), None
    for i, tag in enumerate([*tags, "O"]):
        if start is not None and tag != "I-" + tags[start][2:]:
            found.add((start, i, tags[start][2:]))
            start = None
        if tag[0] == "B" or (tag[0] == "I" and start is None):
            start = i
            if tag[0] == "I":
                tags = [*tags[:i], "B" + tag[1:], *tags[i + 1 :]]
    return found


for train, dev in zip(sys.argv[1::2], sys.argv[2::2]):
    began = time.time()
    trainer = pycrfsuite.Trainer(verbose=False)
    for words, tags in rows(train):
        if words:
            trainer.append([features(words, i) for i in range(len(words))], tags)
    trainer.set_params({"c1": 0.1, "c2": 0.1, "max_iterations": 100, "feature.possible_transitions": True})
    model = "/tmp/fields.crfsuite"
    trainer.train(model)
    tagger = pycrfsuite.Tagger()
    tagger.open(model)
    right = found = wanted = exact = count = 0
    for words, tags in rows(dev):
        guess = spans(tagger.tag([features(words, i) for i in range(len(words))])) if words else set()
        gold = spans(tags)
        right, found, wanted = right + len(gold & guess), found + len(guess), wanted + len(gold)
        exact, count = exact + (gold == guess), count + 1
    precision, recall = right / max(1, found), right / max(1, wanted)
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    print(json.dumps({"set": dev, "f1": f1, "precision": precision, "recall": recall, "exactMatch": exact / count, "seconds": round(time.time() - began)}), flush=True)
