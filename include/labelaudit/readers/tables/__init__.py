"""Rows and columns: delimited text, Parquet, Arrow, Excel."""
