"""What stands beside the product: predecessors to compare with, and the experiments behind the results page."""
