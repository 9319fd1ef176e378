"""A wrong setting is named; an unknown one is passed over with a warning."""

import warnings

from iterable_destination import InvalidSettings, Settings

try:
    Settings.from_mapping({"trackAllPages": "yes", "dataCenterLocation": "mars"})
except InvalidSettings as error:
    print(error)

with warnings.catch_warnings(record=True) as passed_over:
    warnings.simplefilter("always")
    Settings.from_mapping({"trackEverything": True})
print(passed_over[0].message)
