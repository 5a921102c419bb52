"""The examples browser: an index of all examples in the page, texts up to a budget, the rest in a Parquet file.

Run -measure-> Measurement -embed-> Embedded -browser.html.j2-> page; Run -write_sidecar-> records.parquet
"""
