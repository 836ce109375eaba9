"""Ten minutes on a GPU: what is carried to a bare machine (pack.py), what runs there (runner.py),
what came back."""
