"""The checks, one module per thing that is checked. stages/data/catalogue.py says what each code
means."""
