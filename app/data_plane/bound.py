"""What bind gives and execute carries out: an endpoint, what is asked of its answer, or what a view is asked to do."""

from app.compiler.runtime import CompiledEndpoint
from app.data_plane.rest.answered import BoundRows
from app.data_plane.rest.read import BoundRead
from app.data_plane.rest.write import BoundWrite

Bound = CompiledEndpoint | BoundRows | BoundRead | BoundWrite
