"""The command ``firstsight``: writes a config, lets Snakemake run it, and says what was found."""
