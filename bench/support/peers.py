"""The peer of bench/support/measure.mjs: TF-IDF on words and characters with a linear SVM. Debian's python3-sklearn.

    python3 bench/support/peers.py DATA
"""
import csv
import sys
import time

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion
from sklearn.svm import LinearSVC


def read(path):
    rows = [row for row in csv.DictReader(open(path, encoding="utf-8", newline="")) if row["intent"] != "oos"]
    return [row["text"] for row in rows], [row["intent"] for row in rows]


for name, train, dev in (
    ("banking77", "banking77-train", "banking77-dev"),
    ("clinc150", "clinc150-train", "clinc150-dev"),
    ("hwu64", "hwu64-train", "hwu64-dev"),
    ("banking77-10shot", "banking77-train-10shot", "banking77-dev"),
):
    texts, intents = read(f"{sys.argv[1]}/{train}.csv")
    unseen, expected = read(f"{sys.argv[1]}/{dev}.csv")
    start = time.time()
    features = FeatureUnion([
        ("words", TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)),
        ("pieces", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)),
    ])
    model = LinearSVC(C=1).fit(features.fit_transform(texts), intents)
    right = sum(a == b for a, b in zip(model.predict(features.transform(unseen)), expected))
    print(f"{name}: {100 * right / len(expected):.2f} % of {len(expected)} in-scope rows, {time.time() - start:.0f} s")
