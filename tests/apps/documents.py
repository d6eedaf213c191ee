"""Parses XML with Python's pyexpat, whose library a server may have in another release."""

import xml.etree.ElementTree
from xml.parsers import expat

import answers

DOCUMENT = b"""<?xml version="1.0" encoding="ISO-8859-1"?>
<!DOCTYPE shop [<!ENTITY city "Tours">]>
<shop xmlns:s="urn:shop"><s:item n="1">caf\xe9</s:item><s:item n="2">&city;</s:item></shop>
"""


def parsed(environ, start_response):
    """What is in a document, what is wrong with another, and the release of the library."""
    items = xml.etree.ElementTree.fromstring(DOCUMENT)
    report = {
        "texts": [item.text for item in items],
        "names": sorted(set(item.tag for item in items)),
        "numbers": [item.get("n") for item in items],
        "error": error_of(b"<a><b></a>"),
        "version": expat.EXPAT_VERSION,
    }
    return answers.as_json(start_response, report)


def error_of(document):
    try:
        expat.ParserCreate().Parse(document, True)
    except expat.ExpatError as error:
        return expat.ErrorString(error.code)
    return None
