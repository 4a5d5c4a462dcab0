"""Array libraries behind one interface; knows nothing of gradients.

>>> import backends
>>> backends.get_backend("cpu").device
'cpu'
"""

from backends._base import Backend as Backend
from backends._library import holds_numbers as holds_numbers
from backends._lookup import available as available
from backends._lookup import backend_of as backend_of
from backends._lookup import get_backend as get_backend
from backends._lookup import redirect as redirect
from backends._lookup import register as register
from backends.reference.optimizer import TableStep as TableStep
