"""How large the answer of a view or an endpoint may be."""

from typing import Annotated

from pydantic import Field

MAX_BYTES = 10_000_000  # 10 MB
MaxBytes = Annotated[int, Field(ge=1, le=100_000_000)]
