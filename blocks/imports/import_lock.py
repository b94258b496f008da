"""One thread at a time imports Great Expectations, pandas, scikit-learn and SciPy.

They share libraries whose modules import each other in circles (narwhals is one). Where two threads enter such a circle
at two places, Python breaks the deadlock by failing one of the imports.
"""

import threading

IMPORT_LOCK = threading.RLock()
