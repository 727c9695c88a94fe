# Writes what Jinja2 gives for each line of test/golden/templates/lines.json into it: `python3 bench/templates/lines.py`.
import json
import pathlib

import jinja2

from oracle import environment

path = pathlib.Path(__file__).parents[2] / "test/golden/templates/lines.json"
golden = json.loads(path.read_text())
golden["made by"] = f"Jinja2 {jinja2.__version__}, bench/templates/lines.py"
for line in golden["lines"]:
    line["text"] = environment.from_string(line["source"]).render(x={"y": 1})
path.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
