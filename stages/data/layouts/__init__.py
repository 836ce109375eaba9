"""Recognises a set by what its files hold and by where their names lead, not by a list of names."""
