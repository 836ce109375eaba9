"""The sections of the report that are looked at rather than read."""
