"""What annotation tools export, built as their documentation says: for each what must be read, or how it is refused."""

from exports import read, refused, refused_json  # noqa: F401
from exports.export import READ, REFUSED, Export  # noqa: F401
