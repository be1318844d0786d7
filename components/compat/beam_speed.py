"""All changes of Beam that save only time, for pipelines on few data. The import of this module is enough."""

import components.compat.beam_cache
import components.compat.beam_methods
import components.compat.beam_options  # noqa: F401
