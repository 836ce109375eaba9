"""The embedded demo set: recycling scenes that the project draws itself."""
