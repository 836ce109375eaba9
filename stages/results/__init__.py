"""What the stages leave of a finished cell, read in one place and with one text for what is wrong."""
