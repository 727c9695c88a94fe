# What Jinja2 makes of chat templates, set up as Hugging Face's transformers does (utils/chat_template_utils.py): the outside judge of compare.mjs.
# Needs Debian's python3-jinja2. Standard input: {"templates": {name: source}, "requests": {name: variables}}; standard output: {name: {name: {text} or {error}}}.
import datetime
import json
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(jinja2.ext.Extension):
    """`{% generation %}` marks what an assistant wrote; it changes no text."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.ScopedEvalContextModifier([], body).set_lineno(line)


def refuse(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


environment = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
)
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = refuse
environment.globals["strftime_now"] = lambda text: datetime.datetime.now().strftime(text)


def render(template, variables):
    try:
        return {"text": template.render(**variables)}
    except Exception as error:  # whatever it is, it is Jinja's refusal
        return {"error": f"{type(error).__name__}: {error}"}


def render_all(source, requests):
    try:
        template = environment.from_string(source)
    except Exception as error:
        return {name: {"error": str(error)} for name in requests}
    return {name: render(template, variables) for name, variables in requests.items()}


def with_arguments(variables):
    """Arguments of calls as objects, as transformers and vLLM hand them on."""
    for message in variables["messages"]:
        for call in message.get("tool_calls") or []:
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return variables


if __name__ == "__main__":
    given = json.load(sys.stdin)
    for variables in given["requests"].values():
        with_arguments(variables)
    results = {name: render_all(source, given["requests"]) for name, source in given["templates"].items()}
    json.dump(results, sys.stdout)
