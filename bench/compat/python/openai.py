"""Stands in for the package `openai` where it cannot be had: what llama.cpp's tests use of it, over `requests`."""
import json

import requests


class Answer:
    """JSON whose fields are attributes."""

    def __init__(self, value):
        self._value = value
        for name, part in value.items():
            setattr(self, name, wrapped(part))

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return None

    def model_dump(self):
        return self._value


def wrapped(value):
    if isinstance(value, dict):
        return Answer(value)
    return [wrapped(part) for part in value] if isinstance(value, list) else value


class Route:
    def __init__(self, client, path):
        self.client = client
        self.path = path

    def create(self, stream=False, extra_body=None, **fields):
        body = {**fields, **(extra_body or {}), **({"stream": True} if stream else {})}
        headers = {"Authorization": f"Bearer {self.client.api_key}"}
        answer = requests.post(self.client.base_url + self.path, json=body, headers=headers, stream=stream)
        if answer.status_code != 200:
            raise RuntimeError(f"{answer.status_code}: {answer.text}")
        return self.events(answer) if stream else Answer(answer.json())

    def events(self, answer):
        for line in answer.iter_lines():
            text = line.decode("utf-8")
            if text.startswith("data: {"):
                yield Answer(json.loads(text[6:]))


class Named:
    def __init__(self, **parts):
        self.__dict__.update(parts)


class OpenAI:
    def __init__(self, api_key="", base_url=""):
        self.api_key = api_key
        self.base_url = base_url.rstrip("/")
        self.completions = Route(self, "/completions")
        self.embeddings = Route(self, "/embeddings")
        self.responses = Route(self, "/responses")
        self.chat = Named(completions=Route(self, "/chat/completions"))
        self.models = Named(list=lambda: Answer(requests.get(self.base_url + "/models", headers={"Authorization": f"Bearer {api_key}"}).json()))
