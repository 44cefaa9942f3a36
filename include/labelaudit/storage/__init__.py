"""Where everything lies: stores, keys, Parquet files, Delta tables. Nothing here knows what a row means."""
