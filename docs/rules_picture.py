"""Draw docs/rules.svg, the rules of the default run, by graphviz: python docs/rules_picture.py

What a rule reads of another by way of a third one is left out, or the picture would be all arrows.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "docs/rules.svg"
HEAD = """digraph rules {
graph [rankdir=LR, nodesep=0.2, ranksep=0.35, bgcolor=white, margin=0.1]
node [shape=box, style="rounded,filled", fillcolor="#e0f2f1", color="#00796b", fontname="sans-serif", fontsize=13]
edge [color="#607d8b", arrowsize=0.7]
"""


def main() -> None:
    graph = run([sys.executable, "-m", "snakemake", "--rulegraph"], "")
    names = dict(re.findall(r'(\d+)\[label = "(\w+)"', graph))
    arrows = [f"{names[source]} -> {names[target]}" for source, target in re.findall(r"(\d+) -> (\d+)", graph)]
    shortest = run(["tred"], HEAD + "\n".join(sorted(arrows)) + "\n}\n")
    picture = run(["dot", "-Tsvg"], shortest)
    # A comment of graphviz tells its version, which is nobody's business.
    OUTPUT.write_text(re.sub(r"<!--.*?-->\n?", "", picture, flags=re.DOTALL), encoding="utf-8")


def run(command: list[str], text: str) -> str:
    return subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
