"""Readers of the formats that sets come in. Each gives entries as a COCO file has them,
unchecked."""
