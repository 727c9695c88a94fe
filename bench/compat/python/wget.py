"""Stands in for the package `wget`: llama.cpp's tests import it for files that are not needed here."""


def download(*_):
    raise RuntimeError("nothing is downloaded")
