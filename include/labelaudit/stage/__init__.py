"""A delivery's files into canonical Parquet."""
