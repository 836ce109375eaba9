"""The checks, a module per thing that is checked. stages/data/catalogue.py explains each code."""
