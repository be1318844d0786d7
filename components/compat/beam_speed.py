"""All changes of Beam that save only time. Pipelines and their tests import this module alone; its import is enough.

Reason: On few data, Beam computes the same results again and again. Each of the three modules has its own reason.
Versions: Beam 2.73.
Remove when: The last of the three modules can go.
"""

import components.compat.beam_cache
import components.compat.beam_methods
import components.compat.beam_options  # noqa: F401
