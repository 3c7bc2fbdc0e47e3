"""Models out of Python: to C, Verilog, NIR and a web page, each with the proof that it computes the same spikes."""
