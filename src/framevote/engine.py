"""OpenVINO, loaded on first use and without its telemetry."""

import sys
from typing import Any


def load_openvino() -> Any:
    """Return the module `openvino`.

    On import it reports each start to its maker's statistics, unless the package that does so is absent; a tool that runs in
    archives and labs has no business telling. Where somebody has loaded that package already, the choice was theirs.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino  # noqa: PLC0415 - heavy

    return openvino
