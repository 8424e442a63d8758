"""Excel files made by hand, member by member, as an attacker makes them."""

import io
import zipfile

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_TYPES = """<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/xl/workbook.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>
<Override PartName="/xl/sharedStrings.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>"""
_RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MEMBERS = {
    "[Content_Types].xml": _TYPES,
    "_rels/.rels": f'<?xml version="1.0"?><Relationships xmlns="{_RELS}"><Relationship Id="rId1" '
    f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<?xml version="1.0"?><workbook xmlns="{MAIN}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="Rows" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<?xml version="1.0"?><Relationships xmlns="{_RELS}"><Relationship Id="rId1" '
    f'Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}
BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa">'
    + "".join(f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefg", "bcdefgh", strict=True))
    + "]>"
)
"""A prologue after which `&h;` is 640 MB of text."""
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY h SYSTEM "file:///etc/passwd">]>'


def strings(*texts: str, prologue: str = '<?xml version="1.0"?>') -> str:
    items = "".join(f"<si><t>{text}</t></si>" for text in texts)
    return f'{prologue}<sst xmlns="{MAIN}">{items}</sst>'


def sheet(*rows: str, dimension: str = "", prologue: str = '<?xml version="1.0"?>') -> str:
    stated = f'<dimension ref="{dimension}"/>' if dimension else ""
    return f'{prologue}<worksheet xmlns="{MAIN}">{stated}<sheetData>{"".join(rows)}</sheetData></worksheet>'


def row(number: int, *texts: str) -> str:
    cells = "".join(
        f'<c r="{chr(65 + at)}{number}" t="inlineStr"><is><t>{t}</t></is></c>' for at, t in enumerate(texts)
    )
    return f'<row r="{number}">{cells}</row>'


HEADER = row(1, "question", "answer")
GOOD = row(2, "What is 2 plus 2?", "Um, it is 4!")


def xlsx(**members: str | bytes) -> bytes:
    """`sheet`, `strings`, `styles` or `workbook` in place of the usual ones; other names (`/` as `__`) beside them."""
    places = {
        "sheet": "xl/worksheets/sheet1.xml",
        "strings": "xl/sharedStrings.xml",
        "styles": "xl/styles.xml",
        "workbook": "xl/workbook.xml",
        "rels": "xl/_rels/workbook.xml.rels",
    }
    held: dict[str, str | bytes] = {**_MEMBERS, places["sheet"]: sheet(HEADER, GOOD), places["strings"]: strings()}
    held |= {places.get(name, name.replace("__", "/")): text for name, text in members.items()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in held.items():
            archive.writestr(name, text)
    return packed.getvalue()
