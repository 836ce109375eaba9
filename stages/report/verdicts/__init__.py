"""The sections of the report that say what compare concludes."""
