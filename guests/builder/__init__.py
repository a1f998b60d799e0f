# SPDX-License-Identifier: MPL-2.0
"""Builds guest images from Debian packages; see guests/README.md."""


class BuildError(Exception):
    """Something the user can put right; the message says what and how."""
