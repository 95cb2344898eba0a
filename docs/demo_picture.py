"""Make docs/demo.jpg from the overlays of a demo run: python docs/demo_picture.py results docs/demo.jpg"""

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image

from firstsight.reports.picture_files import read_picture

COLLECTIONS = ("demo_brick", "demo_grass", "demo_gravel")
IMAGES = ("test/crack/000.png", "test/patch/000.png", "test/stain/000.png", "test/good/000.png")
TILE, GAP = 230, 6


def main(results: Path, output: Path) -> None:
    """Lay one overlay of every kind and collection side by side."""
    width, height = (TILE + GAP) * len(IMAGES) - GAP, (TILE + GAP) * len(COLLECTIONS) - GAP
    picture = Image.new("RGB", (width, height), "white")
    for row, collection in enumerate(COLLECTIONS):
        (folder,) = (path for path in (results / collection).glob("detectors/blind-*/pictures/*") if path.is_dir())
        for column, image in enumerate(IMAGES):
            with Image.open(BytesIO(read_picture(folder, image, "overlay"))) as tile:
                place = (column * (TILE + GAP), row * (TILE + GAP))
                picture.paste(tile.convert("RGB").resize((TILE, TILE), Image.Resampling.LANCZOS), place)
    picture.save(output, quality=85, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
