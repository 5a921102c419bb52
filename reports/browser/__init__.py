"""The examples browser: all examples as an index in the page, texts up to a budget, the rest in a Parquet file beside it.

Run -measure-> Measurement -embed-> Embedded -browser.html.j2-> page; Run -write_sidecar-> records.parquet
"""
