"""Documents that are made from the code, so that they stay true: `make docs` writes them, a test compares them."""
