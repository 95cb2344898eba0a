"""Figures that papers published, as Markdown, for the pages of studies that compare with them."""

ABLATION = """## Published

Table 1 of Ardelean and Weyrich, "Classifying Texture Anomalies at First Sight" (2024), for comparison. Other features
(Wide-ResNet50-2), other images, and frames whose borders are cut away; NMI and F1 with the true k.

| method | MVTec textures PRO | NMI | F1 | MTD PRO | NMI | F1 | Leaves PRO | NMI | F1 |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| Sohn et al. | 0.908 | 0.67 | 0.71 | 0.665 | 0.18 | 0.35 | 0.753 | 0.46 | 0.63 |
| only FCA | 0.969 | 0.76 | 0.78 | 0.722 | 0.18 | 0.51 | 0.481 | 0.33 | 0.44 |
| FCA + CL | 0.969 | 0.81 | 0.81 | 0.722 | 0.17 | 0.54 | 0.481 | 0.53 | 0.71 |
| FCA + VAE | 0.975 | 0.77 | 0.78 | 0.755 | 0.14 | 0.51 | 0.772 | 0.51 | 0.59 |
| full | 0.975 | 0.79 | 0.81 | 0.755 | 0.22 | 0.67 | 0.772 | 0.71 | 0.83 |
"""

REFERENCE_TABLE = """## Published

Averages of Tables 1 and 2 of Yuan et al., "Anomaly Detection of Industrial Products Considering both Texture and Shape
Information" (2023), for comparison: image AUROC / AUROC in percent, and milliseconds an image on a GPU. Other images,
all of their normal images, crops of 224 x 224 pixels; textures of MVTec AD had PFAM alone, the others SBM and PFAM.

| method | MVTec AD textures | MVTec AD objects | MTL AD | milliseconds |
| --- | --- | --- | --- | --- |
| PaDiM | 98.08 / 97.28 | 93.41 / 98.17 | 77.33 / 83.10 | 503 |
| PaDiM + theirs | 98.54 / 97.08 | 94.55 / 98.29 | 78.20 / 84.40 | 507 |
| PatchCore | 98.64 / 96.84 | 97.65 / 98.57 | 78.43 / 86.40 | – |
| PatchCore + theirs | 99.28 / 97.16 | 97.76 / 98.72 | 80.67 / 87.20 | – |
| CFA | 99.56 / 97.24 | 99.19 / 98.69 | 86.17 / 90.63 | 129 |
| CFA + theirs | 99.82 / 98.14 | 99.31 / 98.66 | 89.86 / 91.00 | 131 |
"""
