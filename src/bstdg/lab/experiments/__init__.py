"""Experiments: claims tested by runs, runs kept as JSON, tables and figures made from them.

catalogue   what there is to run: experiments, and the variants each consists of
variants    what experiments are made of
sweeps      ablations and trade-offs
claims      what is claimed, and where each target comes from
judge       holds claims against runs
published   figures of others, from papers or of their released networks
results     one run as JSON, checked when read
run         trains what is missing
sent        has a cluster train it
tables      what tables hold, from the JSON alone
steps       steps of predecessors at equal T, from the JSON alone
alike       networks on one input beside each other, from the JSON alone
notes       what stands beside some tables
figures     the trade-off curves, from the JSON alone
page        the results page
show        what a terminal shows of an experiment
"""
