"""Search over a recipe's fields, by Optuna, with any number of workers; judged by validation parts alone.

space      the fields that are searched, from a TOML file
storage    where trials are kept, by URL, and which of them belong to workers that died
trial      trains one point of the space, epoch by epoch
study      the trials of a search: which count, what a worker does next, and who may join
worker     takes trials until all are done
sent       has a cluster train them
table      what trials came to: lines of JSON
page       the page of figures
"""
