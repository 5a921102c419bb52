"""The JUnit file of a gate, held against what Jenkins and GitLab read, with names and errors of hostile characters."""

import pytest
import scipy.optimize
import scipy.stats  # noqa: F401  # before pytester notes which modules it may forget: numpy loads only once
from lxml import etree

from harness.stats import mcnemar_midp
from tests.playground import make_model, make_suite, run_gate

pytest_plugins = "pytester"

SHAPE = """
<grammar xmlns="http://relaxng.org/ns/structure/1.0" datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
  <start><element name="testsuites">
    <optional><attribute name="name"/></optional>
    <zeroOrMore><ref name="suite"/></zeroOrMore>
  </element></start>
  <define name="suite"><element name="testsuite">
    <attribute name="name"/><ref name="counts"/><ref name="seconds"/>
    <attribute name="timestamp"><data type="dateTime"/></attribute><attribute name="hostname"/>
    <zeroOrMore><ref name="case"/></zeroOrMore>
  </element></define>
  <define name="counts">
    <attribute name="tests"><data type="nonNegativeInteger"/></attribute>
    <attribute name="failures"><data type="nonNegativeInteger"/></attribute>
    <attribute name="errors"><data type="nonNegativeInteger"/></attribute>
    <attribute name="skipped"><data type="nonNegativeInteger"/></attribute>
  </define>
  <define name="seconds">
    <attribute name="time"><data type="string"><param name="pattern">[0-9]+(\\.[0-9]+)?</param></data></attribute>
  </define>
  <define name="case"><element name="testcase">
    <attribute name="classname"/><attribute name="name"/><ref name="seconds"/>
    <optional><element name="properties"><oneOrMore><element name="property">
      <attribute name="name"><data type="NMTOKEN"/></attribute><attribute name="value"/>
    </element></oneOrMore></element></optional>
    <zeroOrMore><choice>
      <element name="failure"><ref name="told"/></element>
      <element name="error"><ref name="told"/></element>
      <element name="skipped"><ref name="told"/></element>
      <element name="system-out"><text/></element>
      <element name="system-err"><text/></element>
    </choice></zeroOrMore>
  </element></define>
  <define name="told">
    <optional><attribute name="type"/></optional><optional><attribute name="message"/></optional><text/>
  </define>
</grammar>
"""
"""Elements and attributes that Jenkins' xunit plugin and GitLab know, in our words; `properties` of a case besides."""
NAMES = ["<b>&\"'", "]]><!--x", "a\x01\x1b[31mb", "é😀\u202e", "::error::x", "a b\tc", "x" * 150]


@pytest.fixture(scope="module")
def shape():
    """The schema."""
    return etree.RelaxNG(etree.fromstring(SHAPE))


@pytest.fixture
def written(pytester, monkeypatch):
    """Runs a gate with candidates of hostile names, one of which crashes with a hostile text; the file and its tree."""
    from harness import session

    monkeypatch.setattr(session, "make_backend", session.make_backend)  # the repository's conftest replaces it
    make_suite(pytester.path, rows=60)
    make_model(pytester.path / "base", right=55)
    given = []
    for number, name in enumerate(NAMES):
        folder = make_model(pytester.path / "adapters" / name, right=60 if number % 2 else 20)
        given += ["--adapter", str(folder)]
    crash = make_model(pytester.path / "crash", right=1, crash="\x00\x0b</failure>]]>\ud800 &nope; \x1b[2J")
    run_gate(pytester, *given, "--adapter", str(crash), "--junitxml", "junit.xml")
    return pytester.path / "junit.xml"


def test_hostile_names_and_errors_fit_what_readers_know(written, shape):
    """The file is XML, has the known elements and attributes, counts right, and keeps a property for each number."""
    tree = etree.parse(written)
    assert shape.validate(tree), shape.error_log
    (suite,) = tree.getroot()
    cases = suite.findall("testcase")
    assert len(cases) == 2 * (len(NAMES) + 1) == int(suite.get("tests"))
    assert sum(case.find("failure") is not None for case in cases) == int(suite.get("failures")) > 0
    assert sum(case.find("error") is not None for case in cases) == int(suite.get("errors"))
    assert len({case.get("name") for case in cases}) == len(cases)
    told = [{each.get("name"): each.get("value") for each in case.iter("property")} for case in cases]
    paired = [each for each in told if each.get("gained")]
    assert len(paired) >= len(NAMES)
    for each in paired:
        assert float(each["p"]) == pytest.approx(mcnemar_midp(int(each["gained"]), int(each["lost"])))
    assert {each["p"] for each in told if each and not each["gained"]} == {""}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<testcase ", '<testcase file="x" '),
        ('failures="', 'failures="x'),
        ('time="', 'time="x'),
        ("<properties>", "<notes/><properties>"),
        ("<property ", '<property verdict="x" '),
    ],
)
def test_the_shape_refuses_what_readers_do_not_know(shape, old, new):
    """The check above could fail."""
    text = (
        '<testsuites name="x"><testsuite name="x" errors="0" failures="0" skipped="0" tests="1" time="0.1" '
        'timestamp="2026-01-02T03:04:05" hostname="x"><testcase classname="x" name="x" time="0.1"><properties>'
        '<property name="n" value="1" /></properties></testcase></testsuite></testsuites>'
    )
    assert shape.validate(etree.fromstring(text)), shape.error_log
    assert old in text
    assert not shape.validate(etree.fromstring(text.replace(old, new, 1)))
