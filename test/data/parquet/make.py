"""Writes the Parquet files of test/data/data-files.test.ts: `pip install pyarrow`, then `python make.py` in this folder."""

import pyarrow as pa
import pyarrow.parquet as pq

texts = ["w0 w1", "w2 w3 w4 w5 w6 w7", "w8 w9 w10 w11"]
text = pa.table({"id": [1, 2, 3], "text": texts})
for codec in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
    pq.write_table(text, f"text-{codec}.parquet", compression=codec)
# Two row groups, dictionary and data pages of the second version.
pq.write_table(text, "groups.parquet", compression="zstd", row_group_size=2, data_page_version="2.0")
ids = [[7, 49, 0, 2, 9, 9], [1, 4, 5]]
pq.write_table(pa.table({"input_ids": pa.array(ids, pa.list_(pa.int64()))}), "ids-int64.parquet", compression="zstd")
pq.write_table(pa.table({"input_ids": pa.array(ids, pa.list_(pa.uint16()))}), "ids-uint16.parquet")
turns = [[{"role": "user", "content": "w0 w1"}, {"role": "assistant", "content": "w2"}], [{"role": "user", "content": "w3"}]]
pq.write_table(pa.table({"messages": turns}), "messages.parquet", compression="snappy")
pq.write_table(pa.table({"content": texts}), "content.parquet")
pq.write_table(pa.table({"text": ["w0 w1 w2 w3 w4 w5 w6", None]}), "null.parquet")
pq.write_table(pa.table({"text": pa.array(texts[:0], pa.string())}), "empty.parquet")
pq.write_table(pa.table({"text": pa.array([b"w0", b"\xff\xfe"], pa.binary())}), "latin.parquet")
pq.write_table(pa.table({"input_ids": [[1, 2], [3, 50]]}), "large-id.parquet")
# Some hundred bytes that stand for 1.2 GB.
huge = pa.table({"text": ["a" * 600_000_000] * 2})
pq.write_table(huge, "huge.parquet", compression="brotli", use_dictionary=False, write_statistics=False)
