"""Every function of the language by its name."""

from collections.abc import Mapping

from app.expressions.library import conversions, digests, lists, numbers, ranges, text, time
from app.expressions.library.signature import Function

TABLE: Mapping[str, Function] = {
    function.name: function
    for library in (text, conversions, ranges, time, numbers, lists, digests)
    for function in library.FUNCTIONS
}
NAMESPACES = frozenset(name.partition(".")[0] for name in TABLE if "." in name)
