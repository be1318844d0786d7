"""Files of the sources: listing, opening, decompression, and cutting into ranges."""
