"""Reads the CSV files of e2e_tables.py with pandas. read_pandas.py NUMBERS CALENDAR MIXED DATASET"""
import json
import sys

import pandas

numbers = pandas.read_csv(sys.argv[1])
calendar = pandas.read_csv(sys.argv[2])
times = pandas.to_datetime(calendar["t"], utc=True)
mixed = pandas.read_csv(sys.argv[3], dtype=str, keep_default_na=False)
dataset = pandas.read_csv(sys.argv[4])
print(json.dumps({
    "numbers": [len(numbers), float(numbers["d"].sum()), float(numbers["t"].min()), float(numbers["t"].max())],
    "calendar": [len(calendar), float(calendar["d"].sum()), times.min().timestamp(), times.max().timestamp()],
    "texts": mixed["d"].tolist(),
    "columns": list(dataset.columns),
    "dataset": dataset[["t", "x", "temperature", "door"]].astype(object).where(dataset.notna(), None).values.tolist(),
}))
