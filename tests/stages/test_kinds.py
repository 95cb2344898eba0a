"""From features and maps to kinds: regions have their own, outliers none, names and new images find theirs."""

import copy
import io
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from numpy.typing import NDArray

from firstsight.clustering.descriptors import TEMPERATURES, blur_features, describe, rarity, unit_cells
from firstsight.clustering.kinds_file import load_kinds
from firstsight.clustering.names import read_names, write_names
from firstsight.errors import FirstsightError
from firstsight.stages.assign import assign_collection
from firstsight.stages.cluster import cluster_collection, read_descriptors
from firstsight.stages.describe import describe_shard
from firstsight.stages.evaluate import evaluate_collection
from firstsight.stages.job import Job
from firstsight.stages.tables import join_tables
from firstsight.stages.threshold import find_threshold
from firstsight.storage.geometry import Geometry, map_to_cells
from firstsight.storage.store import ShardReader, ShardWriter
from firstsight.storage.table_schemas import TRUTH_COLUMNS
from firstsight.storage.tables import read_table, write_table
from running import TABLES

CELLS = 12
CHANNELS = 20
COARSE = Geometry(CELLS * 16, CELLS * 16, CELLS * 16, CELLS * 16, 16, 7.5)
FINE = Geometry(CELLS * 16, CELLS * 16, CELLS * 16, CELLS * 16, 8, 3.5)
FINEST = replace(FINE, stride=4)
DIRECTIONS = {kind: np.random.default_rng(number).normal(0, 3, CHANNELS) for number, kind in enumerate("abz")}
PLACES = {"a": (2, 2), "b": (8, 8), "z": (5, 5)}

PILE = {
    **{f"a/{number}.png": "a" for number in range(6)},
    **{f"b/{number}.png": "b" for number in range(5)},
    **{f"good/{number}.png": "" for number in range(7)},
}


def draw(
    kinds: str, seed: int, texture: float | NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features (C, 12, 12) and map (24, 24) of an image with a defect of each kind, each at its place."""
    rng = np.random.default_rng(seed)
    features = texture + 0.3 * rng.standard_normal((CHANNELS, CELLS, CELLS))
    anomaly_map = 1 + 0.1 * rng.random((2 * CELLS, 2 * CELLS))
    for kind in kinds:
        y, x = PLACES[kind]
        features[:, y : y + 3, x : x + 3] += DIRECTIONS[kind][:, None, None]
        anomaly_map[2 * y : 2 * y + 6, 2 * x : 2 * x + 6] += 2 + rng.random()
    return features.astype(np.float32), anomaly_map.astype(np.float32)


class Folder:
    """A collection on disk, from its stores of features and maps on; one shard for every six images."""

    def __init__(
        self,
        path: Path,
        kinds: dict[str, str],
        *,
        alien: tuple[str, ...] = (),
        seed: int = 0,
        fine: Geometry = FINEST,
    ) -> None:
        self.path, self.images = path, sorted(kinds)
        self.shards = [self.images[start : start + 6] for start in range(0, len(kinds), 6)]
        self.job = Job("rule", path.name, "", "fca", io.StringIO())
        path.mkdir()
        geometry = {"fine": asdict(fine), "coarse": asdict(COARSE)}
        for number, shard in enumerate(self.shards):
            with (
                ShardWriter(path / f"{number}.features.zarr", dtype="float32") as features,
                ShardWriter(path / f"{number}.maps.zarr", dtype="float32") as maps,
            ):
                for index, image in enumerate(shard):
                    texture = 40 * np.random.default_rng(7).random((CHANNELS, 1, 1)) if image in alien else 5.0
                    coarse, anomaly_map = draw(kinds[image], seed + 100 * number + index, texture)
                    arrays = {"fine": coarse[:2].repeat(2, 1).repeat(2, 2), "coarse": coarse}
                    names = {"image": image, "token": "", "status": "ok"}
                    features.add(str(index), "", arrays, {**names, "geometry": geometry})
                    maps.add(str(index), "", {"map": anomaly_map}, {**names, "geometry": asdict(FINE)})
            labels = [image.split("/")[0] if "/" in image else None for image in shard]
            rows = [
                dict.fromkeys(TRUTH_COLUMNS)
                | {"image": image, "label": label, "is_normal": label and label == "good", "status": "ok"}
                for image, label in zip(shard, labels, strict=True)
            ]
            (path / f"{number}.truth.json").write_text(json.dumps(rows))

    def copy(self, path: Path, shards: int) -> "Folder":
        """The first shards, described, in another folder."""
        shutil.copytree(self.path, path)
        folder = copy.copy(self)
        folder.path, folder.shards = path, self.shards[:shards]
        folder.images = [image for shard in folder.shards for image in shard]
        return folder

    def each(self, name: str) -> list[Path]:
        return [self.path / f"{number}.{name}" for number in range(len(self.shards))]

    def describe(self, threshold: Path | None = None) -> None:
        if threshold is None:
            threshold = self.path / "threshold.json"
            find_threshold(
                shards=self.each("maps.zarr"), output=threshold, settings={"method": "deviations"}, seed=0, job=self.job
            )
        for number in range(len(self.shards)):
            describe_shard(
                maps=self.path / f"{number}.maps.zarr",
                features=self.path / f"{number}.features.zarr",
                threshold=threshold,
                layers=["fine", "coarse"],
                collection=self.path.name,
                detector="fca",
                regions=self.path / f"{number}.regions.parquet",
                scores=self.path / f"{number}.scores.json",
                descriptors=self.path / f"{number}.npz",
                job=self.job,
            )

    def cluster(self, clusters: Any = "auto", **more: Any) -> tuple[pandas.DataFrame, pandas.DataFrame]:
        cluster_collection(
            descriptors=self.each("npz"),
            clusters=clusters,
            collection=self.path.name,
            detector="fca",
            output=self.path / "clusters.parquet",
            summary=self.path / "clusters.json",
            scores=self.each("scores.json"),
            regions=self.each("regions.parquet"),
            region_clusters=self.path / "region_clusters.parquet",
            kinds=self.path / "kinds.npz",
            job=self.job,
            **{"truths": [], "oracle": False, **more},
        )
        return self.read()

    def assign(self, kinds: Path, names: Path | None = None) -> tuple[pandas.DataFrame, pandas.DataFrame]:
        assign_collection(
            descriptors=self.each("npz"),
            kinds=kinds,
            collection=self.path.name,
            detector="fca",
            output=self.path / "clusters.parquet",
            summary=self.path / "clusters.json",
            regions=self.each("regions.parquet"),
            region_clusters=self.path / "region_clusters.parquet",
            job=self.job,
            names=names,
        )
        return self.read()

    def read(self) -> tuple[pandas.DataFrame, pandas.DataFrame]:
        """Clusters by image, and regions."""
        clusters = read_table(self.path / "clusters.parquet").set_index("image")
        return clusters, read_table(self.path / "region_clusters.parquet")

    @property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.path / "clusters.json").read_text())
        return found


@pytest.fixture(scope="module")
def pile(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Good images, two kinds of defect, one image with both and one of another texture."""
    folder = Folder(
        tmp_path_factory.mktemp("kinds") / "pile", {**PILE, "both.png": "ab", "zebra.png": ""}, alien=("zebra.png",)
    )
    folder.describe()
    folder.cluster()
    return folder


def kind_of(clusters: pandas.DataFrame, kind: str) -> int:
    """The one cluster of the images of a kind."""
    numbers = clusters.loc[clusters.index.str.startswith(f"{kind}/"), "cluster"].unique()
    assert len(numbers) == 1
    return int(numbers[0])


@pytest.mark.parametrize("fine", [FINE, FINEST], ids=["strides 8 and 16", "strides 4 and 16"])
def test_descriptors_are_of_the_layers_nearest_to_eight_and_sixteen_pixels(tmp_path: Path, fine: Geometry) -> None:
    pile = Folder(tmp_path / "pile", {"a/0.png": "a", "good/0.png": "", "good/1.png": ""}, fine=fine)
    pile.describe()
    levels = json.loads((pile.path / "threshold.json").read_text())["levels"]
    images, values = read_descriptors(pile.each("npz"))
    assert images == pile.images
    features, maps = (ShardReader(pile.path / f"0.{name}.zarr") for name in ("features", "maps"))
    own = values[images.index(features.attributes("0")["image"])]
    layers = [("fine", FINE), ("coarse", COARSE)] if fine == FINE else [("coarse", COARSE)]
    expected = []
    for (layer, place), temperatures in zip(layers, TEMPERATURES, strict=False):
        unit = unit_cells(features.read("0", layer))
        blurred = blur_features(unit, place.stride)
        cells = map_to_cells(maps.read("0", "map"), FINE, place, unit.shape[1:])
        rows = describe(blurred.reshape(len(unit), -1), rarity(cells, levels).ravel(), temperatures)
        expected += [np.append(row, np.zeros(CHANNELS - len(unit))) for row in rows]
    np.testing.assert_allclose(own, expected, rtol=1e-5)


def test_the_kinds_are_found_the_good_are_normal_and_the_stranger_is_an_outlier(pile: Folder) -> None:
    clusters, _ = pile.read()
    good, a, b = (kind_of(clusters, kind) for kind in ("good", "a", "b"))
    assert len({good, a, b}) == 3
    assert clusters.loc["good/0.png", "cluster_name"] == "normal"
    assert set(clusters["cluster_name"]) == {"normal", f"cluster {a}", f"cluster {b}", "other"}
    stranger = clusters.loc["zebra.png"]
    assert (stranger["cluster"], stranger["cluster_name"], stranger["is_medoid"]) == (-1, "other", False)
    assert np.isnan(stranger["silhouette"])
    assert np.isfinite(clusters["distance"]).all()
    assert clusters["n_clusters_from"].eq("estimated").all()
    assert pile.summary["n_clusters"] == 3
    assert pile.summary["n_outliers"] == 2
    in_none = clusters.index[clusters["cluster"].lt(0)].tolist()
    assert in_none == ["both.png", "zebra.png"], "an image with two kinds of defect is of neither"


def test_an_image_with_two_kinds_of_defect_has_regions_of_two_kinds(pile: Folder) -> None:
    clusters, regions = pile.read()
    own = regions[regions["image"].eq("both.png")].sort_values("y")
    assert own["cluster"].tolist() == [kind_of(clusters, "a"), kind_of(clusters, "b")]
    assert own["cluster_name"].tolist() == [f"cluster {number}" for number in own["cluster"]]
    for kind in "ab":
        assert regions.loc[regions["image"].str.startswith(f"{kind}/"), "cluster"].eq(kind_of(clusters, kind)).all()
    assert len(regions) == sum(len(read_table(path)) for path in pile.each("regions.parquet")) >= 13
    assert regions.sort_values(["image", "region"]).index.is_monotonic_increasing


def test_new_images_are_recognised_or_unknown(pile: Folder, tmp_path: Path) -> None:
    kinds = {"n/a.png": "a", "n/b.png": "b", "n/both.png": "ab", "n/good.png": "", "n/new.png": "z", "n/zebra.png": ""}
    later = Folder(tmp_path / "later", kinds, alien=("n/zebra.png",), seed=5000)
    later.describe(pile.path / "threshold.json")
    clusters, regions = later.assign(pile.path / "kinds.npz")
    known, _ = pile.read()
    for image, kind in (("n/a.png", "a"), ("n/b.png", "b"), ("n/good.png", "good")):
        assert clusters.loc[image, "cluster"] == kind_of(known, kind)
    assert clusters.loc["n/good.png", "cluster_name"] == "normal"
    for image in ("n/new.png", "n/zebra.png"):
        assert list(clusters.loc[image, ["cluster", "cluster_name"]]) == [-1, "unknown"]
    assert list(clusters.columns) == list(known.columns)
    assert not clusters["is_medoid"].any()
    assert clusters["silhouette"].isna().all()
    own = regions[regions["image"].eq("n/both.png")].sort_values("y")
    assert own["cluster"].tolist() == [kind_of(known, "a"), kind_of(known, "b")]
    assert regions.loc[regions["image"].eq("n/new.png"), "cluster_name"].eq("unknown").all()
    assert later.summary["n_outliers"] == int(clusters["cluster"].lt(0).sum())
    names = tmp_path / "names.csv"
    names.write_text("collection,detector,medoid,name\npile,fca,a/3.png,scratch\n")
    clusters, regions = later.assign(pile.path / "kinds.npz", names)
    assert clusters.loc["n/a.png", "cluster_name"] == "scratch"
    assert "scratch" in set(regions.loc[regions["image"].eq("n/both.png"), "cluster_name"])


def test_kinds_of_other_features_are_refused(pile: Folder, tmp_path: Path) -> None:
    np.savez(tmp_path / "0.npz", image=["x"], descriptor=np.ones((1, 2, 3)), region_image=np.array([], dtype=str))
    with pytest.raises(FirstsightError, match=f"2 x 3 values do not compare with those of 2 x {CHANNELS}"):
        assign_collection(
            descriptors=[tmp_path / "0.npz"],
            kinds=pile.path / "kinds.npz",
            collection="later",
            detector="fca",
            output=tmp_path / "c.parquet",
            summary=tmp_path / "c.json",
            regions=[],
            region_clusters=tmp_path / "r.parquet",
            job=pile.job,
        )


def test_the_true_number_of_kinds_can_be_asked_for(pile: Folder, tmp_path: Path) -> None:
    folder = pile.copy(tmp_path / "pile", 4)
    clusters, _ = folder.cluster(oracle=True, truths=folder.each("truth.json"))
    assert folder.summary["criterion"] == "oracle: the true number of labels, 3"
    assert clusters["n_clusters_from"].eq("oracle").all()
    assert clusters["cluster"].max() == 2
    manifest = {"collection": "pile", "path": "", "sha256": "", "channels": 3, "dtype": "uint8", "shard": "s"}
    manifest |= dict.fromkeys(("texture_score", "is_texture", *TRUTH_COLUMNS))
    manifest |= dict.fromkeys(("value_low", "value_high", "duplicate_of", "remark"))
    for number, shard in enumerate(folder.shards):
        rows = [
            {
                **manifest,
                "image": image,
                "width": 192,
                "height": 192,
                "missing": None,
                "ignored": None,
                "status": "ok",
            }
            for image in shard
        ]
        write_table(folder.path / f"{number}.images.parquet", "images", rows)
    evaluate_collection(
        maps=folder.each("maps.zarr"),
        manifests=folder.each("images.parquet"),
        truths=folder.each("truth.json"),
        descriptors=folder.each("npz"),
        scores=folder.each("scores.json"),
        clusters=folder.path / "clusters.parquet",
        crop=0.0,
        collection="pile",
        detector="fca",
        fingerprint="0",
        output=folder.path / "metrics.parquet",
        job=folder.job,
    )
    metrics = read_table(folder.path / "metrics.parquet").set_index("metric")["value"]
    assert metrics["nmi"] == metrics["nmi_oracle"] == metrics["matched_f1_oracle"] == pytest.approx(1)
    for path in folder.each("truth.json"):
        rows = json.loads(path.read_text())
        path.write_text(json.dumps([{**row, "label": None, "is_normal": None} for row in rows]))
    with pytest.raises(FirstsightError, match=r"collection pile: clustering\.oracle is set, but no image"):
        folder.cluster(oracle=True, truths=folder.each("truth.json"))


def test_names_survive_a_run_that_numbers_the_clusters_otherwise(pile: Folder, tmp_path: Path) -> None:
    names = tmp_path / "names.csv"
    clusters, _ = pile.read()
    write_names(names, clusters.reset_index())
    table = pandas.read_csv(names, dtype=str, keep_default_na=False)
    assert len(table) == 3
    assert "normal" in set(table["current_name"])
    place = table["cluster"].eq(str(kind_of(clusters, "b")))
    table.loc[place, "name"] = "=pinhole, small"
    table.to_csv(names, index=False)

    part = pile.copy(tmp_path / "pile", 2)
    renumbered, _ = part.cluster(2)
    assert kind_of(renumbered, "b") != kind_of(clusters, "b")
    tables = joined(part, tmp_path, names)
    assert (
        tables["clusters"]
        .loc[tables["clusters"]["image"].str.startswith("b/"), "cluster_name"]
        .eq("=pinhole, small")
        .all()
    )
    assert set(tables["clusters"]["cluster_name"]) >= {"=pinhole, small", f"cluster {kind_of(renumbered, 'a')}"}
    in_b = tables["regions"]["image"].str.startswith("b/")
    assert set(tables["regions"].loc[in_b, "cluster_name"]) == {"=pinhole, small"}
    assert set(joined(part, tmp_path, None)["regions"].loc[in_b, "cluster_name"]) == {
        f"cluster {kind_of(renumbered, 'b')}"
    }
    write_names(names, tables["clusters"])
    assert list(read_names(names).values()) == ["=pinhole, small"]


def joined(folder: Folder, out: Path, names: Path | None) -> dict[str, pandas.DataFrame]:
    """The tables of a run over one collection."""
    write_table(folder.path / "metrics.parquet", "metrics", [])
    record = {"collection": "pile", "rule": "cluster", "shard": "", "detector": "fca", "device": "cpu", "n_images": 1}
    record |= {"seconds": 1.0, "seconds_by_step": "", "peak_memory_mb": 1.0, "versions": "", "weights_sha256": ""}
    (folder.path / "run.json").write_text(json.dumps(record))
    output = {name: out / f"{name}.parquet" for name in TABLES}
    join_tables(
        images=[],
        detectors=["fca"],
        regions=[folder.path / "region_clusters.parquet"],
        clusters=[folder.path / "clusters.parquet"],
        metrics=[folder.path / "metrics.parquet"],
        records=[folder.path / "run.json"],
        unread=[],
        output=output,
        job=folder.job,
        names=names,
    )
    return {name: read_table(path) for name, path in output.items()}


@pytest.mark.parametrize("count", [1, 2, 4])
def test_very_few_images(count: int, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "few", {f"{number}.png": "a" for number in range(count)})
    folder.describe()
    for clusters in ("auto", 2, 9):
        rows, _ = folder.cluster(clusters)
        assert len(rows) == count
        assert (rows["cluster"] >= 0).any()
        assert np.isfinite(rows["distance"]).all()
        assert folder.summary["n_clusters"] >= 1


def test_the_same_image_again_and_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "same", {f"{number}.png": "a" for number in range(5)})
    coarse, anomaly_map = draw("a", 0, 5.0)
    contents = {"features": {"fine": coarse, "coarse": coarse}, "maps": {"map": anomaly_map}}
    for name, arrays in contents.items():
        store = folder.path / f"0.{name}.zarr"
        attributes = [ShardReader(store).attributes(str(index)) for index in range(5)]
        with ShardWriter(store, dtype="float32") as writer:
            for index in range(5):
                writer.add(str(index), "", arrays, attributes[index])
    folder.describe()
    rows, regions = folder.cluster()
    assert rows["cluster"].eq(0).all()
    assert rows["distance"].eq(0).all()
    assert regions["cluster"].eq(0).all()


def test_no_image_with_a_map(tmp_path: Path, pile: Folder) -> None:
    folder = Folder(tmp_path / "none", {"0.png": "a"})
    with ShardWriter(folder.path / "0.maps.zarr", dtype="float32") as maps:
        maps.add("0", "", {}, {"image": "0.png", "status": "fca: too small"})
    folder.describe()
    rows, regions = folder.cluster()
    assert len(rows) == len(regions) == 0
    assert folder.summary == {"n_clusters": 0, "n_outliers": 0, "criterion": "no image has a map"}
    with pytest.raises(FirstsightError, match="no image of that collection has a map"):
        load_kinds(folder.path / "kinds.npz")
    rows, regions = folder.assign(pile.path / "kinds.npz")
    assert len(rows) == len(regions) == 0


def test_a_map_without_features_has_regions_and_no_kind(pile: Folder, tmp_path: Path) -> None:
    folder = pile.copy(tmp_path / "pile", 1)
    reader = ShardReader(pile.path / "0.features.zarr")
    with ShardWriter(folder.path / "0.features.zarr", dtype="float32") as writer:
        for index in range(len(folder.images)):
            attributes = reader.attributes(str(index))
            arrays = {name: reader.read(str(index), name) for name in ("fine", "coarse")} if index else {}
            writer.add(str(index), "", arrays, attributes if index else {**attributes, "status": "too small"})
    folder.describe()
    rows, regions = folder.cluster()
    assert sorted(rows.index) == folder.images[1:]
    assert regions.loc[regions["image"].eq(folder.images[0]), "cluster"].isna().all()
    assert regions.loc[regions["image"].ne(folder.images[0]), "cluster"].notna().all()
