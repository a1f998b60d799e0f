# SPDX-License-Identifier: MPL-2.0
"""Runs the functions of a test program that are named as cases, and says how they went in TAP."""

import sys
import traceback


def run(cases):
    """Runs each function of the list; ends the program, with status 1 if one failed."""
    print("1..%d" % len(cases))
    failed = False
    for number, case in enumerate(cases, 1):
        try:
            case()
            print("ok %d - %s" % (number, case.__name__))
        except Exception:  # a case may fail in any way; the rest shall run
            failed = True
            for line in traceback.format_exc().splitlines():
                print("# " + line)
            print("not ok %d - %s" % (number, case.__name__))
    sys.exit(1 if failed else 0)


def raises(kind, text, call, *arguments):
    """Checks that the call fails with an error of that kind whose text holds `text`."""
    try:
        call(*arguments)
    except kind as error:
        assert text in str(error), "error is '%s'" % error
    else:
        raise AssertionError("no error")
