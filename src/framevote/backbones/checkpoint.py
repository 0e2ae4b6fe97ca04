"""Read tensors, and nothing else, from a legacy PyTorch checkpoint (the format before 1.6, not a zip), without PyTorch.

Such a file is five pickles (a magic number, a protocol version, facts on the machine, the object, the storage keys) and
then, for each key in order, an int64 count and that many raw numbers. The object's pickle may name only what `_GLOBALS`
lists and use only the opcodes that PyTorch writes, so that reading runs no code from the file.
"""

import collections
import io
import math
import pickle
import pickletools
import struct
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from framevote.errors import ModelError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_MOST_BYTES = 4 << 30
_MOST_OPCODES = 500_000

_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}

# What torch.save writes at pickle protocol 2; BUILD hangs notes on the dict of tensors.
_OPCODES = """
    PROTO STOP MARK GLOBAL REDUCE BINPERSID TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_TUPLE EMPTY_DICT EMPTY_LIST APPEND APPENDS
    SETITEM SETITEMS BUILD BINPUT LONG_BINPUT BINGET LONG_BINGET BINUNICODE BININT BININT1 BININT2 LONG1 BINFLOAT NONE NEWTRUE
    NEWFALSE""".split()  # noqa: SIM905 - a word list reads better


class _Storage(NamedTuple):
    key: str
    dtype: str
    numbers: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Refused(Exception):
    """The file is no checkpoint of this kind; the text says why."""


class _TensorUnpickler(pickle.Unpickler):
    """Gives tensors as `_Tensor` and knows three kinds of names; anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._rebuild  # a bound method: BUILD cannot set anything on it that outlives this reading
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]  # a text: nothing to call, nothing to set
        raise _Refused(f"it names {module}.{name}, which is no tensor")

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", str(dtype), str(key), str(), int(count), None) if dtype in _DTYPES.values() and count >= 0:
                return _Storage(key, dtype, count)
        raise _Refused("it holds a storage of an unknown kind")

    def _rebuild(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
        """Note how a tensor lies in its storage; checked here, once, so that no view can reach outside."""
        sizes = isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides) <= 8
        if not (isinstance(storage, _Storage) and sizes and all(isinstance(n, int) and n >= 0 for n in (offset, *shape, *strides))):
            raise _Refused("a tensor's place in its storage is not written as numbers")
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        if math.prod(shape) > storage.numbers or (math.prod(shape) and last >= storage.numbers):
            raise _Refused("a tensor reaches outside its storage")
        return _Tensor(storage, offset, shape, strides)


def read_checkpoint(path: Path) -> dict[str, NDArray[Any]]:
    """Return a legacy checkpoint's tensors by name, each a contiguous array of its own.

    Raises:
        ModelError: the file is missing, cut short, of another format, or holds anything but named tensors.
    """
    try:
        if (size := path.stat().st_size) > _MOST_BYTES:
            raise _Refused(f"it has {size} bytes, more than {_MOST_BYTES}")
        if zipfile.is_zipfile(path):
            raise _Refused(
                "it is a zip, of PyTorch 1.6 or newer; write it again with "
                "torch.save(torch.load(FILE), NEW, _use_new_zipfile_serialization=False)"
            )
        return _tensors(io.BytesIO(path.read_bytes()))
    except OSError as error:
        raise ModelError(f"The weights {path} cannot be read: {error.strerror}. Expected a PyTorch checkpoint.") from error
    except _Refused as error:
        raise ModelError(f"{path.name} is no checkpoint in the legacy PyTorch format: {error}. Expected a dict of tensors.") from None
    except Exception as error:  # a damaged pickle may raise nearly anything; none of it is of use to a user
        raise ModelError(
            f"{path.name} is no checkpoint in the legacy PyTorch format, or is damaged. Expected a dict of tensors."
        ) from error


def _tensors(file: io.BytesIO) -> dict[str, NDArray[Any]]:
    if _unpickle(file) != _MAGIC or _unpickle(file) != _PROTOCOL:
        raise _Refused("it does not begin as one does")
    if _unpickle(file).get("little_endian") is not True:
        raise _Refused("its numbers are not little-endian")
    named = _unpickle(file)
    if not isinstance(named, dict) or not all(isinstance(k, str) and isinstance(v, _Tensor) for k, v in named.items()):
        raise _Refused("it holds more than named tensors")
    keys = _unpickle(file)
    storages = {tensor.storage.key: tensor.storage for tensor in named.values()}
    if sorted(keys) != sorted(storages):
        raise _Refused("its storages are not those that its tensors name")
    data = {key: _read_storage(file, storages[key]) for key in keys}
    return {name: _array(tensor, data[tensor.storage.key]) for name, tensor in named.items()}


def _unpickle(file: io.BytesIO) -> Any:
    """Return the next pickle's object, after a look at its opcodes."""
    start = file.tell()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        # A memo index beyond the number of opcodes would only make the unpickler claim memory.
        wild_memo = opcode.name == "LONG_BINPUT" and isinstance(argument, int) and argument > _MOST_OPCODES
        if opcode.name not in _OPCODES or count > _MOST_OPCODES or wild_memo:
            raise _Refused(f"its pickle uses {opcode.name} in a way that no dict of tensors needs")
    file.seek(start)
    return _TensorUnpickler(file).load()


def _read_storage(file: io.BytesIO, storage: _Storage) -> NDArray[Any]:
    (count,) = struct.unpack("<q", file.read(8))
    if count != storage.numbers:
        raise _Refused(f"a storage has {count} numbers where its tensor says {storage.numbers}")
    return np.frombuffer(file.read(count * np.dtype(storage.dtype).itemsize), storage.dtype, count)


def _array(tensor: _Tensor, data: NDArray[Any]) -> NDArray[Any]:
    steps = tuple(stride * data.itemsize for stride in tensor.strides)
    return np.lib.stride_tricks.as_strided(data[tensor.offset :], tensor.shape, steps).copy()
