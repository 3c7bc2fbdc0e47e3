"""Experiments: claims tested by runs, runs kept as JSON, tables and figures made from them.

catalogue   what there is to run: experiments, and the variants each consists of
claims      what is claimed, and where each target comes from
others      figures of others, published or of their released networks
results     one run as JSON, checked when read
run         trains what is missing
tables      the results page, from the JSON alone
figures     the trade-off curves, from the JSON alone
"""
