"""The one spelling in which two ways of writing a name become equal.

Compares nothing and guesses nothing: same key or not. Misspellings are not its business.
"""

from __future__ import annotations

import re
import unicodedata

from kycgate.errors import TooLarge

MAX_NAME_LENGTH = 1_000
"""Characters. The longest listed name has 381; a megabyte of combining marks is an attack."""

# Letters that Unicode does not decompose though readers see a base letter with a mark.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}
)
_APOSTROPHES = "'’‘ʼʻ`´ʹʺ＇"
_DROPPED = str.maketrans(dict.fromkeys(_APOSTROPHES))
# Marks that stand inside words are dropped, everything else that is not a letter or digit divides.
_ASCII = str.maketrans(
    {
        **{chr(c): " " for c in range(128) if not chr(c).isalnum()},
        **{chr(c): chr(c).lower() for c in range(ord("A"), ord("Z") + 1)},
        "'": None,
        "`": None,
        "&": " and ",
    }
)
_INITIALS = re.compile(r"\b(?:\w )+\w\b")

# Legal forms as they stand in normalised names, longest first, with the one spelling for each.
_FORMS: dict[str, str] = {
    "public joint stock company": "pjsc",
    "open joint stock company": "ojsc",
    "closed joint stock company": "cjsc",
    "joint stock company": "jsc",
    "limited liability company": "llc",
    "limited liability partnership": "llp",
    "limited partnership": "lp",
    "obshchestvo s ogranichennoi otvetstvennostyu": "ooo",
    "obschestvo s ogranichennoy otvetstvennostyu": "ooo",
    "aktsionernoe obshchestvo": "ao",
    "private limited company": "pte ltd",
    "public limited company": "plc",
    "private limited": "pte ltd",
    "pvt limited": "pte ltd",
    "pvt ltd": "pte ltd",
    "pte limited": "pte ltd",
    "pte ltd": "pte ltd",
    "sdn berhad": "sdn bhd",
    "sdn bhd": "sdn bhd",
    "and company limited": "co ltd",
    "and co ltd": "co ltd",
    "and company": "co",
    "and co": "co",
    "company limited": "co ltd",
    "company ltd": "co ltd",
    "co limited": "co ltd",
    "co ltd": "co ltd",
    "corporation": "corp",
    "incorporated": "inc",
    "company": "co",
    "limited": "ltd",
    "berhad": "bhd",
    **{
        form: form for form in ("corp", "inc", "ltd", "llc", "llp", "plc", "lp", "co", "bhd", "pte")
    },
    **{form: form for form in ("gmbh", "ag", "kg", "sa", "sas", "srl", "sarl", "spa", "nv", "bv")},
    **{
        form: form for form in ("ab", "as", "oy", "aps", "kk", "fze", "fzco", "fzc", "dmcc", "ltda")
    },
    **{form: form for form in ("ooo", "oao", "zao", "pao", "ao", "jsc", "ojsc", "cjsc", "pjsc")},
    **{form: form for form in ("pty", "pvt", "pt", "tbk")},
}
_ENDING = re.compile(r" (" + "|".join(sorted(_FORMS, key=len, reverse=True)) + r")$")
# Only forms that some country writes in front: `AS` or `Co` there begin a real name.
_LEADING = (
    "public joint stock company|open joint stock company|closed joint stock company"
    "|joint stock company|limited liability company|obshchestvo s ogranichennoi otvetstvennostyu"
    "|obschestvo s ogranichennoy otvetstvennostyu|aktsionernoe obshchestvo"
    "|ooo|oao|zao|pao|ao|jsc|ojsc|cjsc|pjsc|llc|pt"
)
_BEGINNING = re.compile(rf"^({_LEADING}) ")
_MOST_FORMS = 4
_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|[,;]? and any successor.*$")


def normalise(name: str) -> str:
    """Case, accents, punctuation, spacing and invisible characters undone; scripts kept.

    `A.B.C. Trading Co.,Ltd` and `abc trading co ltd` are one; `华为技术有限公司` stays as it is.
    Empty when nothing is left. Raises TooLarge above MAX_NAME_LENGTH.
    """
    if len(name) > MAX_NAME_LENGTH:
        raise TooLarge(
            f"a name has at most {MAX_NAME_LENGTH} characters", field="name", remedy="shorten it"
        )
    text = name.translate(_ASCII) if name.isascii() else _plain(name)
    return _join_initials(" ".join(text.split()))


def legal_key(normalised: str) -> str:
    """The same name whatever its legal form: `company limited`, `co ltd` and none are one.

    A single word keeps its form in the one spelling, else `11420 Corp` would answer to `11420`.
    """
    core, forms = _split_forms(normalised)
    if " " in core or (core and not core.isascii()):
        return core
    return " ".join([core, *forms]).strip()


def unordered_key(normalised: str) -> str:
    """The words in alphabetical order: `LAST, First` and `First Last` are one."""
    return " ".join(sorted(normalised.split()))


def without_asides(name: str) -> str:
    """A listed name less what list keepers write into it: brackets, `and any successor thereof`."""
    return _ASIDE.sub(" ", name) if "(" in name or "[" in name or "successor" in name else name


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name.translate(_DROPPED)).casefold()
    # Casefolding composes and expands; decompose again so that marks stand apart.
    letters = unicodedata.normalize("NFKD", folded).translate(_LETTERS).replace("&", " and ")
    kept = "".join(_keep(letter) for letter in letters)
    return unicodedata.normalize("NFC", kept)


def _keep(letter: str) -> str:
    """A letter or digit itself; marks and invisible format characters nothing; the rest a space."""
    if letter in _APOSTROPHES:
        return ""
    match unicodedata.category(letter)[0]:
        case "L" | "N":
            return letter
        case "M":
            return ""
    return "" if unicodedata.category(letter) == "Cf" else " "


def _join_initials(text: str) -> str:
    """`l l c` is `llc`, `j r smith` is `jr smith`: dots between initials are not read alike."""
    if not any(len(word) == 1 for word in text.split(" ")):
        return text
    return _INITIALS.sub(lambda run: run[0].replace(" ", "") if run[0].isascii() else run[0], text)


def _split_forms(normalised: str) -> tuple[str, list[str]]:
    core, forms = normalised, list[str]()
    while len(forms) < _MOST_FORMS and (found := _ENDING.search(core)):
        forms.insert(0, _FORMS[found[1]])
        core = core[: found.start()]
    if found := _BEGINNING.match(core):
        forms.append(_FORMS[found[1]])
        core = core[found.end() :]
    return core, forms
