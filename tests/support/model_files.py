"""Model files as a foreign hand would change them."""

from __future__ import annotations

import json

from bstdg import files


def resealed(small: bytes, change) -> bytes:
    """A model file whose metadata went through `change`, with a valid checksum: a foreign writer's."""
    length = int.from_bytes(small[:8], "little")
    header = json.loads(small[8 : 8 + length])
    metadata = header["__metadata__"]
    metadata["sha256"] = files.UNSEALED
    payload = change(header, metadata, bytearray(small[8 + length :]))
    text = json.dumps(header, separators=(",", ":")).encode()
    return files.seal(len(text).to_bytes(8, "little") + text + bytes(payload))


def set_config(**fields):
    def change(header, metadata, payload):
        config = json.loads(metadata["config"])
        for key, value in fields.items():
            if value is None:
                del config[key]
            else:
                config[key] = value
        metadata["config"] = json.dumps(config)
        return payload

    return change
